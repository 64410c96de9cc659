//! A stack in CloudFormation.
//!
//! | module | what it does |
//! |---|---|
//! | `check` | what CloudFormation would refuse about a template and its parameters |
//! | `sides` | inputs, desired or present, as a template in its context |
//! | `retain` | what stays when it is deleted |
//! | `drift` | what was changed within it, by others |
//! | `exchange` | what it gives to other stacks, and takes from them |
//! | `content` | what a change of a template means: whether it is one, what it hides and loses |
//! | `given` | parameters that it has from others |
//! | `published` | what has to be in a bucket before, and the roles to act in |
//! | `ssm` | parameters whose values are in Parameter Store |

mod check;
mod content;
mod drift;
mod exchange;
mod given;
mod published;
mod retain;
mod sides;
mod ssm;

pub use ssm::{AS_STORED, OLDER, SSM_PARAMETERS, follow, is_bootstrap, reads};

pub use check::mistakes;
pub use content::{difference, grave_of_new};
pub use drift::{Property, drifted};
pub use given::given_by_others;
pub(crate) use published::{ROLE_TYPE, as_table};
pub use published::{has_template_asset, nested};
pub use retain::{RETAIN, Retain, Unkept, keeping, outlives, releasing};

use crate::{
    clock::{Clock, Term, Work},
    cluster::sort_key,
    lowering::{file_text, prune, tags},
    patterns::{STACK_NAME, TAGS},
    spec::{Field, KindSpec, Lower, Output, OutputSource, Type},
};
use bfd_core::{
    Expr, Inputs, ResourceState, Value,
    plan::{Action, Effect, FieldChange, Op, Undo},
};
use bfd_template::Template;

/// The canonical fields of what is published before, and of the role that calls CloudFormation.
pub const ASSETS: &str = "assets";
pub const DEPLOY_ROLE: &str = "deploy_role";
/// The templates of the stacks within it that are among what is published, by their keys.
pub const NESTED: &str = "nested";

/// What a request of CloudFormation takes as `TemplateBody`, in bytes.
pub const TEMPLATE_BODY_LIMIT: usize = 51_200;
/// What it takes from a bucket.
const TEMPLATE_LIMIT: usize = 1_000_000;

const CAPABILITIES: &[&str] = &["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"];

pub static SPEC: KindSpec = KindSpec {
    name: "stack",
    doc: "A stack in CloudFormation",
    singleton: false,
    fields: &[
        Field::new(
            "name",
            Type::Name { min: 1, max: 128, pattern: STACK_NAME },
            "The name of the stack.",
        )
        .required()
        .replaces(),
        Field::new(
            "template",
            Type::File,
            "The template, in YAML or JSON, of at most 51,200 bytes; of up to 1,000,000 bytes where the state is in a bucket, which it then goes through. It is checked when planning, and compared by what it says: [stacks](stacks.md).",
        )
        .required(),
        Field::new(
            "parameters",
            Type::Map(&Type::Either(&Type::Scalar, &Type::SecretSource)),
            "The template's parameters. Those with a default may be left out. One that reaches nothing in the template is no change. The value of a `NoEcho` parameter is a secret: `{ env = \"NAME\" }`, `{ file = \"path\" }` or `{ command = [\"pass\", \"show\", \"NAME\"] }`, which is sent and never written anywhere.",
        ),
        Field::new(
            "tags",
            TAGS,
            "Tags of the stack and of what is in it, over those of the environment.",
        ),
        Field::new(
            "capabilities",
            Type::List(&Type::OneOf(CAPABILITIES)),
            "What the template may do beyond plain resources: `CAPABILITY_IAM` and `CAPABILITY_NAMED_IAM` to make roles, `CAPABILITY_AUTO_EXPAND` to use transforms. Sent with every change; a change of it alone changes nothing.",
        ),
        Field::new(
            "retain",
            Type::Either(&Type::Bool, &Type::List(&Type::Text)),
            "What stays when the stack is deleted: `true` for all of it, which is then only forgotten, or the logical ids of resources, which leave the stack and are kept. It has to be applied before it is of use: a delete goes by what is recorded.",
        ),
        Field::new(
            "termination_protection",
            Type::Bool,
            "Whether AWS refuses to delete the stack.",
        )
        .default("false"),
        Field::new(
            "role_arn",
            Type::Text,
            "The role that CloudFormation works in; without it, with the rights of whoever runs bfd. AWS never takes a role from a stack: when the field is removed, the last one stays.",
        ),
        Field::new(
            "notification_arns",
            Type::List(&Type::Text),
            "SNS topics that CloudFormation tells the stack's events, at most 5.",
        ),
        Field::new(
            "assets",
            Type::Tables(published::ASSET),
            "Files that the template refers to, put into a bucket before the stack is made or changed: `[stack.NAME.assets.code]`. A change of them alone changes nothing.",
        ),
        Field::new(
            "deploy_role",
            published::ROLE_TYPE,
            "The role that bfd takes on to call CloudFormation for this stack; where it may not be assumed, it goes on with its own credentials if they are of the same account.",
        ),
        Field::new(
            "stack_policy",
            Type::Either(&Type::File, &Type::Any),
            "Which resources updates may touch: a file, or the JSON as a table. AWS never removes one: when the field is removed, a policy that allows everything takes its place.",
        ),
    ],
    outputs: &[
        Output::new("name", OutputSource::Input("name"), "The name of the stack"),
        Output::new("arn", OutputSource::Stable, "Its ARN, also called its id"),
        Output::new("status", OutputSource::Volatile, "Its status, such as `UPDATE_COMPLETE`"),
        Output::new(
            "last_updated",
            OutputSource::Volatile,
            "When it last changed, in seconds since 1970",
        ),
        Output::new(
            "outputs",
            OutputSource::Open,
            "The template's own outputs, such as `${stack.network.outputs.VpcId}`",
        ),
    ],
    default_output: None,
    key: &["name"],
    exact: &[],
    sets: &["capabilities", "notification_arns", "retain"],
    read_at_start: &[],
    lower,
    settle: None,
    content: Some(content::CONTENT),
    exchange: Some(exchange::exchange),
    effect: |path| if path == ["name"] { Effect::Replaces } else { Effect::None },
    undo,
    seconds: |action, _| if action == Action::Adopt { 5 } else { 120 },
    clock,
    actions: &[
        "cloudformation:CancelUpdateStack",
        "cloudformation:ContinueUpdateRollback",
        "cloudformation:CreateChangeSet",
        "cloudformation:CreateStack",
        "cloudformation:DeleteChangeSet",
        "cloudformation:DeleteStack",
        "cloudformation:DescribeChangeSet",
        "cloudformation:DescribeStackDriftDetectionStatus",
        "cloudformation:DescribeStackEvents",
        "cloudformation:DescribeStackResourceDrifts",
        "cloudformation:DescribeStacks",
        "cloudformation:DetectStackDrift",
        "cloudformation:ExecuteChangeSet",
        "cloudformation:GetStackPolicy",
        "cloudformation:GetTemplate",
        "cloudformation:ListChangeSets",
        "cloudformation:ListStackResources",
        "cloudformation:SetStackPolicy",
        "cloudformation:UpdateTerminationProtection",
        "iam:PassRole",
        "s3:GetObject",
        "s3:PutObject",
        "ssm:GetParameters",
        "sts:AssumeRole",
    ],
};

fn lower(lower: &mut Lower<'_>) -> Inputs {
    let mut inputs = Inputs::new();
    let mut capabilities = match lower.take("capabilities") {
        Some(Expr::List(all)) => all,
        _ => Vec::new(),
    };
    capabilities.sort_by_key(sort_key);
    capabilities.dedup();
    let mut read = None;
    if let Some(template) = lower.take("template") {
        let file = check::file_name(&template);
        let template = file_text(template);
        if let Some(text) = template.as_str() {
            check::template(lower, &file, text, &capabilities);
            read = Template::parse(text).ok();
            let stored =
                read.as_ref().and_then(|read| ssm::desired(read, lower.fields.get("parameters")));
            inputs.extend(stored.map(|stored| (SSM_PARAMETERS.to_owned(), stored)));
        }
        inputs.insert("template".to_owned(), template);
    }
    let retain = retain::lower(lower, read.as_ref());
    inputs.extend(retain.map(|retain| (RETAIN.to_owned(), retain)));
    inputs.insert("capabilities".to_owned(), Expr::List(capabilities));
    lower.keep(&mut inputs, &["name", "parameters", "role_arn"]);
    lower.keep_or(&mut inputs, "termination_protection", false);
    lower.keep_json(&mut inputs, "stack_policy");
    published::lower(lower, &mut inputs);
    notifications(lower, &mut inputs);
    inputs.insert("tags".to_owned(), tags(lower));
    prune(&mut inputs);
    inputs
}

/// Topics as a set: in order, each once.
fn notifications(lower: &mut Lower<'_>, inputs: &mut Inputs) {
    let Some(topics) = lower.take("notification_arns") else { return };
    let Expr::List(mut topics) = topics else { return };
    topics.sort_by_key(sort_key);
    topics.dedup();
    if topics.len() > 5 {
        let label = format!("has {}", topics.len());
        let help = "CloudFormation takes 5: let one of them pass events on";
        lower.error("notification_arns", "stack::topics", "too many topics", label, help);
    }
    inputs.insert("notification_arns".to_owned(), Expr::List(topics));
}

/// Seconds that CloudFormation takes over a stack, and over each resource in it.
///
/// Rough: most resources take 1 to 5 s and overlap, gateways and roles 15 to 20 s, and a
/// database, a distribution or a service of its own takes minutes, of which this knows nothing.
const STACK: u64 = 15;
const RESOURCE: u64 = 5;

fn clock(work: &Work<'_>) -> Clock {
    let desired = |inputs: &Inputs| -> u64 {
        let nested = inputs.get(NESTED).and_then(Expr::as_map).into_iter().flatten();
        let within = nested.filter_map(|(_, text)| text.as_str());
        inputs.get("template").and_then(Expr::as_str).into_iter().chain(within).map(resources).sum()
    };
    let recorded = |prior: &ResourceState| -> u64 {
        let nested = prior.inputs.get(NESTED).and_then(Value::as_object).into_iter().flatten();
        let within = nested.filter_map(|(_, text)| text.as_str());
        let own = prior.inputs.get("template").and_then(Value::as_str);
        own.into_iter().chain(within).map(resources).sum()
    };
    let count = match work.op {
        Op::Create { inputs, .. } => desired(inputs),
        Op::Update { prior, inputs, .. } | Op::Adopt { prior, inputs, .. } => {
            // Without a difference in what is in it, only its own settings are set.
            let changes = work.fields.iter().any(|field| {
                let first = field.path.split('.').next();
                matches!(first, Some("template" | "parameters" | SSM_PARAMETERS))
            });
            if changes { desired(inputs).max(recorded(prior)) } else { 0 }
        }
        Op::Delete { prior } => recorded(prior),
    };
    let mut terms = vec![Term::of("the stack itself", STACK)];
    if count > 0 {
        let seconds = count.saturating_mul(RESOURCE);
        let term = Term::of("the resources of the template, roughly", seconds);
        terms.push(Term { field: Some("template".to_owned()), ..term });
    }
    let mut undo = terms.clone();
    let made_of = match work.op {
        Op::Create { inputs, .. } | Op::Update { inputs, .. } => inputs.get("template"),
        Op::Adopt { .. } | Op::Delete { .. } => None,
    };
    if count > 0 && made_of.and_then(Expr::as_str).is_some_and(retain::outlives) {
        undo.push(Term::of("taking off what lets resources outlive it", STACK));
    }
    Clock { detection: terms, undo }
}

/// How many resources a template declares; none where it cannot be read.
pub fn resources(template: &str) -> u64 {
    Template::parse(template).map_or(0, |template| template.resources().count() as u64)
}

/// Why an undo is not exact where it is not known what is replaced.
const REPLACED: &str =
    "resources that CloudFormation replaced come back new, without what was stored in them";

fn undo(action: Action, fields: &[FieldChange]) -> (Undo, Option<&'static str>) {
    let masked = |field: &FieldChange| {
        let before = field.before.as_ref().and_then(Value::as_str);
        field.path.starts_with("parameters.") && (field.sensitive || before == Some("****"))
    };
    let first_policy = |field: &FieldChange| field.path == "stack_policy" && field.before.is_none();
    let first_role = |field: &FieldChange| field.path == "role_arn" && field.before.is_none();
    let replacing =
        |field: &FieldChange| field.path == "template" || field.path.starts_with("parameters");
    let why = match action {
        Action::Replace | Action::Delete => {
            "what was stored in the stack's resources is lost with them"
        }
        Action::Update | Action::Adopt if fields.iter().any(masked) => {
            "CloudFormation does not show the old value of a `NoEcho` parameter"
        }
        Action::Update | Action::Adopt if fields.iter().any(first_policy) => {
            "AWS never removes a stack policy; one that allows everything takes its place"
        }
        Action::Update | Action::Adopt if fields.iter().any(first_role) => {
            "AWS never takes a role from a stack"
        }
        Action::Update | Action::Adopt if fields.iter().any(|it| it.path == SSM_PARAMETERS) => {
            "what it reads in Parameter Store may be another value by then: the next apply takes that over"
        }
        Action::Update | Action::Adopt if fields.iter().any(replacing) => REPLACED,
        Action::Create | Action::Update | Action::Adopt => return (Undo::Exact, None),
    };
    (Undo::Approximate, Some(why))
}
