//! What goes wrong during the life of one process.

use crate::{dice::Dice, disk::Moment};
use bfd_sandbox::{Arrival, Fault, Sandbox};
use std::{fmt, time::Duration};
use tokio_util::sync::CancellationToken;

/// What goes wrong, and when. The default is a life in which nothing does.
#[derive(Clone, Debug, Default)]
pub struct Trouble {
    /// Faults that pass, each request having so many chances in a hundred to meet one.
    pub noise: Option<Noise>,
    /// Faults of single requests, by their number in this life.
    pub single: Vec<(u64, Fault)>,
    /// From this request on, one operation is denied.
    pub denied: Option<(u64, &'static str)>,
    /// No connection at all, from and until so many seconds after the start.
    pub blackout: Option<(f64, f64)>,
    /// Faults of requests about images, as of any.
    pub registry: Option<Noise>,
    pub death: Option<Death>,
    /// The user asks to stop; twice, when there is a second time.
    pub stop: Option<(Duration, Option<Duration>)>,
}

#[derive(Clone, Debug)]
pub struct Noise {
    pub percent: usize,
    pub dice: Dice,
}

/// Where the process dies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Death {
    /// At a write to its disk, counted from 0.
    Write(u64, Moment),
    /// At a request, counted from 0: before it is applied, or after.
    Request(u64, Moment),
    /// So long after its start.
    Time(Duration),
}

/// Calls that may be denied: each is one that a policy can forget.
const DENIABLE: &[&str] = &[
    "ecr:CreateRepository",
    "ecr:PutLifecyclePolicy",
    "ssm:PutParameter",
    "ssm:AddTagsToResource",
    "ssm:DeleteParameters",
    "cloudformation:CreateStack",
    "cloudformation:CreateChangeSet",
    "cloudformation:ExecuteChangeSet",
    "cloudformation:UpdateStack",
    "cloudformation:DescribeStacks",
    "cloudformation:DeleteStack",
    "ecs:CreateCluster",
    "ecs:RegisterTaskDefinition",
    "ecs:CreateService",
    "ecs:UpdateService",
    "ecs:DescribeServices",
    "ecs:StopServiceDeployment",
    "ecs:ListTasks",
    "ecs:DescribeServiceDeployments",
    "ecs:DeleteService",
    "ecs:DeregisterTaskDefinition",
    "ecs:TagResource",
    "application-autoscaling:RegisterScalableTarget",
    "application-autoscaling:PutScalingPolicy",
    "application-autoscaling:DeregisterScalableTarget",
];

/// Requests of a push, a copy, or of taking one back.
const OF_IMAGES: &[&str] = &[
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchDeleteImage",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:DescribeImages",
    "ecr:GetAuthorizationToken",
    "ecr:GetDownloadUrlForLayer",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
    "s3:GetObject",
];

impl Trouble {
    /// A life as bad as the dice will have it.
    pub fn thrown(dice: &mut Dice) -> Self {
        let noise = dice.percent(60).then(|| {
            let percent = *dice.pick(&[1, 3, 10]);
            Noise { percent, dice: dice.split() }
        });
        let single = (0..dice.below(3)).map(|_| {
            let number = dice.below(160) as u64;
            (number, *dice.pick(&[Fault::LostAnswer, Fault::AccessDenied, Fault::ServerError]))
        });
        let single = single.collect();
        let denied = dice.percent(15).then(|| (dice.below(120) as u64, *dice.pick(DENIABLE)));
        let blackout = dice.percent(10).then(|| {
            let from = dice.below(120);
            #[expect(clippy::cast_precision_loss, reason = "seconds of a few minutes")]
            (from as f64, (from + 5 + dice.below(150)) as f64)
        });
        let death = dice.percent(45).then(|| Death::thrown(dice));
        let stop = dice.percent(12).then(|| {
            let first = Duration::from_millis(dice.below(150_000) as u64);
            let second = Duration::from_millis(dice.below(20_000) as u64);
            (first, dice.percent(40).then_some(second))
        });
        Self { noise, single, denied, blackout, registry: None, death, stop }
    }

    /// The same with what may go wrong with images.
    #[must_use]
    pub fn with_images(mut self, dice: &mut Dice) -> Self {
        if dice.percent(60) {
            let percent = *dice.pick(&[3, 10, 30]);
            self.registry = Some(Noise { percent, dice: dice.split() });
        }
        if self.denied.is_none() && dice.percent(15) {
            self.denied = Some((dice.below(60) as u64, *dice.pick(OF_IMAGES)));
        }
        self
    }

    /// Whether anything can go wrong at all.
    pub fn is_none(&self) -> bool {
        self.noise.is_none()
            && self.single.is_empty()
            && self.denied.is_none()
            && self.blackout.is_none()
            && self.registry.is_none()
            && self.death.is_none()
            && self.stop.is_none()
    }

    /// The write at which the process dies, if it dies at one.
    pub fn death_at_write(&self) -> Option<(u64, Moment)> {
        match self.death {
            Some(Death::Write(at, moment)) => Some((at, moment)),
            _ => None,
        }
    }

    /// Lets the sandbox misbehave from now on, as this says.
    pub fn inflict(mut self, sandbox: &Sandbox, dying: CancellationToken) {
        let begun = sandbox.now();
        let first = sandbox.requests().len() as u64;
        let (mut noise, mut registry) = (self.noise.take(), self.registry.take());
        let decide = move |arrival: &Arrival<'_>| -> Option<Fault> {
            let number = arrival.number - first;
            if let Some(Death::Request(at, moment)) = self.death
                && number == at
            {
                dying.cancel();
                return Some(match moment {
                    Moment::After => Fault::Unanswered,
                    Moment::Before | Moment::Torn => Fault::Hang,
                });
            }
            let since = arrival.at - begun;
            if self.blackout.is_some_and(|(from, until)| (from..until).contains(&since)) {
                return Some(Fault::ResetBefore);
            }
            if let Some((_, fault)) = self.single.iter().find(|(at, _)| *at == number) {
                return Some(*fault);
            }
            if self.denied.is_some_and(|(from, call)| number >= from && call == arrival.operation) {
                return Some(Fault::AccessDenied);
            }
            if let Some(registry) = &mut registry
                && OF_IMAGES.contains(&arrival.operation)
                && registry.dice.percent(registry.percent)
            {
                return Some(registry.dice.fault_of_image(arrival.is_write));
            }
            let noise = noise.as_mut()?;
            noise.dice.percent(noise.percent).then(|| noise.dice.fault(arrival.is_write))
        };
        sandbox.decide(decide);
    }
}

impl Dice {
    /// A fault that passes.
    fn fault(&mut self, is_write: bool) -> Fault {
        match self.below(if is_write { 100 } else { 120 }) {
            0..20 => Fault::Throttle,
            20..35 => Fault::ResetBefore,
            35..65 => Fault::LostAnswer,
            65..80 => Fault::ServerError,
            80..95 => Fault::Delay(Duration::from_millis(self.below(15_000) as u64)),
            95..100 => Fault::Hang,
            _ => Fault::Stale(Duration::from_millis(self.below(4_000) as u64)),
        }
    }
}

impl Dice {
    /// A fault that passes, of a request about images: bodies break, and bytes get stuck.
    fn fault_of_image(&mut self, is_write: bool) -> Fault {
        match self.below(8) {
            // Fixtures have blobs of a few hundred bytes.
            0 | 1 => Fault::BrokenBody(self.below(400) as u64),
            2 => Fault::Hang,
            3 => Fault::Delay(Duration::from_millis(self.below(60_000) as u64)),
            _ => self.fault(is_write),
        }
    }
}

impl Death {
    fn thrown(dice: &mut Dice) -> Self {
        match dice.below(3) {
            0 => {
                let moments = [Moment::Before, Moment::Torn, Moment::After];
                Self::Write(dice.below(60) as u64, *dice.pick(&moments))
            }
            1 => {
                let moments = [Moment::Before, Moment::After];
                Self::Request(dice.below(160) as u64, *dice.pick(&moments))
            }
            _ => Self::Time(Duration::from_millis(dice.below(200_000) as u64)),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.noise.as_ref().map(|noise| format!("noise {} %", noise.percent)));
        parts.extend(self.single.iter().map(|(at, fault)| format!("{fault:?} at request {at}")));
        parts.extend(self.denied.map(|(from, call)| format!("{call} denied from request {from}")));
        parts.extend(
            self.blackout.map(|(from, until)| format!("no connection {from:.0}–{until:.0} s")),
        );
        let registry = self.registry.as_ref();
        parts.extend(registry.map(|noise| format!("noise about images {} %", noise.percent)));
        parts.extend(self.death.map(|death| format!("death at {death:?}")));
        parts.extend(self.stop.map(|(first, second)| format!("stop after {first:?}, {second:?}")));
        f.write_str(if parts.is_empty() { "nothing" } else { "" })?;
        f.write_str(&parts.join("; "))
    }
}
