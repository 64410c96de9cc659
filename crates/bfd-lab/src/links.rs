//! What stacks take from each other and from Parameter Store, in stories that have such links.

use crate::{dice::Dice, environment::Environment};
use std::fmt::Write as _;

/// Seeds from here on are stories with links.
pub const FIRST: u64 = 2_000_000;
/// So that links are thrown apart from the rest.
const SALT: u64 = 0x6c69_6e6b;
/// The stack that exports, and the one that imports.
const GIVER: &str = "network";
const TAKER: &str = "data";

/// Links as they are meant; those whose ends are not there are left out of the templates.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// The parameters that the two stacks read, by their keys.
    reads: [Option<String>; 2],
    /// What one stack exports, if it does.
    exported: Option<usize>,
    imports: bool,
}

impl Links {
    /// The dice of a seed's links, unless it has none.
    pub fn dice(seed: u64) -> Option<Dice> {
        (seed >= FIRST).then(|| Dice::new(seed ^ SALT))
    }

    pub fn thrown(dice: &mut Dice) -> Self {
        let mut reads = || dice.percent(70).then(|| format!("p{}", dice.below(3)));
        Self {
            reads: [reads(), reads()],
            exported: dice.percent(80).then(|| dice.below(9)),
            imports: dice.percent(80),
        }
    }

    /// The same with something changed, as the next commit would.
    #[must_use]
    pub fn changed(&self, dice: &mut Dice) -> Self {
        let mut next = self.clone();
        match dice.below(6) {
            0 | 1 => {
                let at = dice.below(2);
                next.reads[at] = dice.percent(60).then(|| format!("p{}", dice.below(4)));
            }
            2 => next.exported = dice.percent(60).then(|| dice.below(99)),
            3 => next.imports = !next.imports,
            _ => {}
        }
        next
    }

    /// The name that a stack reads from Parameter Store.
    pub fn read<'e>(&self, of: &'e Environment, stack: &str) -> Option<&'e str> {
        let key = self.reads[usize::from(stack == TAKER)].as_ref()?;
        of.readable(key)
    }

    /// What a stack's template has more: a parameter, resources and outputs.
    pub fn extend(&self, of: &Environment, stack: &str, template: &mut Template) {
        if self.read(of, stack).is_some() {
            template.parameters += ", Read: { Type: 'AWS::SSM::Parameter::Value<String>' }";
            resource(&mut template.resources, stack, "read", "!Ref Read");
        }
        let given = self.exported.filter(|_| of.stacks.contains_key(GIVER));
        let Some(given) = given else { return };
        if stack == GIVER {
            let export = "{ Name: !Sub '${AWS::StackName}-shared' }";
            write!(template.outputs, ", Shared: {{ Value: '{given}', Export: {export} }}")
                .expect("writing to a string");
        } else if self.imports {
            let value = format!("!ImportValue lab-{GIVER}-shared");
            resource(&mut template.resources, stack, "shared", &value);
        }
    }
}

/// The parts of a template, as far as they are written.
#[derive(Clone, Debug, Default)]
pub struct Template {
    pub parameters: String,
    pub resources: String,
    pub outputs: String,
}

fn resource(text: &mut String, stack: &str, name: &str, value: &str) {
    writeln!(
        text,
        "  {}:\n    Type: AWS::SSM::Parameter\n    Properties: {{ Type: String, \
         Name: /lab-{stack}/{name}, Value: {value} }}",
        name.to_uppercase()
    )
    .expect("writing to a string");
}
