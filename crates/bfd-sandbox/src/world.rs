use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::blob::Blobs;
use crate::cloudformation::{self, Stacks};
use crate::ecr::Registry;
use crate::ecs::{self, Ecs};
use crate::iam::Roles;
use crate::image::{Behaviours, PublicImages, digest};
use crate::logs::Logs;
use crate::options::Options;
use crate::s3::Buckets;
use crate::scaling::Scaling;
use crate::secret;
use crate::secretsmanager::Secrets;
use crate::ssm::Parameters;
use crate::sts::Sessions;

/// Everything the sandbox remembers.
///
/// All iteration is over sorted maps and all ids come from `seed` and `sequence`, so that the
/// same requests at the same times leave the same bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct World {
    pub(crate) account: String,
    pub(crate) region: String,
    seed: u64,
    sequence: u64,
    pub(crate) public_images: PublicImages,
    pub(crate) behaviours: Behaviours,
    pub(crate) ecr: Registry,
    pub(crate) ssm: Parameters,
    pub(crate) ecs: Ecs,
    pub(crate) scaling: Scaling,
    pub(crate) stacks: Stacks,
    /// Worlds from before there were log groups have none.
    #[serde(default)]
    pub(crate) logs: Logs,
    /// Worlds from before there were secrets have none.
    #[serde(default)]
    pub(crate) secrets: Secrets,
    /// Seconds that a password of the registry is good for, where that is not AWS's figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password_life: Option<f64>,
    /// Worlds from before there were buckets have none.
    #[serde(default)]
    pub(crate) s3: Buckets,
    #[serde(default)]
    pub(crate) roles: Roles,
    #[serde(default)]
    pub(crate) sessions: Sessions,
    /// The bytes of layers and objects stay out of the file: they lie beside it.
    #[serde(skip)]
    pub(crate) blobs: Blobs,
}

impl World {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            account: options.account.clone(),
            region: options.region.clone(),
            seed: options.seed,
            sequence: 0,
            public_images: PublicImages::default(),
            behaviours: Behaviours::default(),
            ecr: Registry::default(),
            ssm: Parameters::default(),
            ecs: Ecs::default(),
            scaling: Scaling::default(),
            stacks: Stacks::default(),
            logs: Logs::default(),
            secrets: Secrets::default(),
            password_life: None,
            s3: Buckets::default(),
            roles: Roles::default(),
            sessions: Sessions::default(),
            blobs: Blobs::beside(options.file.as_deref()),
        }
    }

    /// Replays everything that falls due up to `now`, in time order across the services.
    pub(crate) fn advance(&mut self, now: f64) {
        loop {
            // A stack may wait for a service and a service for a stack's parameter: each sees
            // what the other did up to the same moment.
            while let Some(due) = ecs::next_due(self).filter(|due| *due <= now) {
                self.secrets.purge(due);
                ecs::advance(self, due);
                cloudformation::advance(self, due);
            }
            self.secrets.purge(now);
            cloudformation::advance(self, now);
            if ecs::next_due(self).is_none_or(|due| due > now) {
                break;
            }
        }
    }

    /// Takes over what the text of a world that this one replaces does not hold.
    pub(crate) fn adopt_bytes(&mut self, other: &mut Self) {
        self.ecr.adopt_uploads(&mut other.ecr);
        self.blobs = std::mem::take(&mut other.blobs);
    }

    /// Forgets the bytes of what is neither a layer nor an object any more.
    pub(crate) fn sweep_blobs(&mut self) {
        let (ecr, s3) = (&self.ecr, &self.s3);
        self.blobs.sweep(|digest| ecr.uses(digest) || s3.uses(digest));
    }

    /// The objects alone, without what only serves to make them.
    pub(crate) fn snapshot(&self) -> Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(map) = value.as_object_mut() {
            map.remove("seed");
            map.remove("sequence");
            // Who asked is no object.
            map.remove("sessions");
        }
        value
    }

    pub(crate) fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{resource}", self.region, self.account)
    }

    /// A number that no earlier call returned, the same for the same seed and order of calls.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.sequence += 1;
        mix(self.seed ^ mix(self.sequence))
    }

    /// 32 hexadecimal digits, as ECS names tasks.
    pub(crate) fn next_hex(&mut self) -> String {
        format!("{:016x}{:016x}", self.next_number(), self.next_number())
    }

    /// 19 decimal digits, as ECS names deployments.
    pub(crate) fn next_digits(&mut self) -> String {
        format!("{:019}", self.next_number() % 10_000_000_000_000_000_000)
    }

    /// A version 4 UUID in form, though not in origin.
    pub(crate) fn next_uuid(&mut self) -> String {
        let hex = self.next_hex();
        format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
    }

    /// A word that only this world can have given for the text.
    pub(crate) fn sign(&self, text: &str) -> String {
        let signed = format!("{}/{}/{}/{text}", self.seed, self.account, self.region);
        digest(signed.as_bytes()).replace("sha256:", "")
    }

    /// Keeps a secret out of the world's text.
    pub(crate) fn seal(&mut self, plain: &str) -> String {
        let nonce = self.next_number();
        secret::seal(self.seed, nonce, plain)
    }

    /// What [`World::seal`] kept; text that it did not make comes back as it is.
    pub(crate) fn unseal(&self, sealed: &str) -> String {
        secret::unseal(self.seed, sealed).unwrap_or_else(|| sealed.to_owned())
    }
}

/// The finalizer of splitmix64: a bijection that scatters consecutive numbers.
pub(crate) fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
