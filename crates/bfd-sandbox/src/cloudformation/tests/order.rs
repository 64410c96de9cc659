use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Lab;

/// A small generator of its own: the same seeds, the same graphs.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = crate::world::mix(self.0);
        self.0 % sides
    }
}

/// Any template without a circle is created in the order of its dependencies, and deleted in
/// the opposite one.
#[test]
fn dependencies_come_first_in_any_acyclic_template() {
    for seed in 1..40 {
        let mut dice = Dice(seed);
        let count = 2 + dice.roll(14);
        let mut edges: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        let mut template = String::from("Resources:\n");
        // Names are scattered so that their order says nothing about the graph's.
        let name = |index: u64| format!("R{:03}", index.wrapping_mul(577) % 1000);
        for index in 0..count {
            let needs: Vec<u64> = (0..index).filter(|_| dice.roll(3) == 0).collect();
            let kinds = ["AWS::EC2::InternetGateway", "AWS::SSM::Parameter", "AWS::EC2::VPC"];
            let kind = kinds[usize::try_from(dice.roll(3)).unwrap()];
            let _ = writeln!(template, "  {}:\n    Type: {kind}", name(index));
            let (by_hand, by_value) = needs.split_at(needs.len() / 2);
            if !by_hand.is_empty() {
                let names: Vec<String> = by_hand.iter().map(|need| name(*need)).collect();
                let _ = writeln!(template, "    DependsOn: [{}]", names.join(", "));
            }
            let needed: Vec<String> =
                by_value.iter().map(|need| format!("${{{}}}", name(*need))).collect();
            let value = format!("!Sub 'v{}'", needed.concat());
            let properties = match kind {
                "AWS::SSM::Parameter" => format!("Type: String, Value: {value}"),
                "AWS::EC2::VPC" => {
                    format!("CidrBlock: 10.0.0.0/16, Tags: [{{ Key: k, Value: {value} }}]")
                }
                _ => format!("Tags: [{{ Key: k, Value: {value} }}]"),
            };
            let _ = writeln!(template, "    Properties: {{ {properties} }}");
            edges.insert(index, needs);
        }
        let mut lab = Lab::new();
        lab.create("app", &template);
        assert_eq!(lab.settled("app"), "CREATE_COMPLETE", "seed {seed}\n{template}");
        let answer = lab.ok("DescribeStacks", &[("StackName", "app")]);
        let id = super::text(&answer, "StackId").unwrap();
        lab.ok("DeleteStack", &[("StackName", "app")]);
        lab.settled(&id);
        let seen = lab.events(&id);
        let at = |line: String| {
            seen.iter().position(|one| *one == line).unwrap_or_else(|| panic!("{line}: {seen:?}"))
        };
        for (index, needs) in &edges {
            for need in needs {
                let (this, other) = (name(*index), name(*need));
                assert!(
                    at(format!("{other} CREATE_COMPLETE"))
                        < at(format!("{this} CREATE_IN_PROGRESS")),
                    "seed {seed}: {other} before {this}"
                );
                assert!(
                    at(format!("{this} DELETE_COMPLETE"))
                        < at(format!("{other} DELETE_IN_PROGRESS")),
                    "seed {seed}: {this} goes before {other}"
                );
            }
        }
    }
}
