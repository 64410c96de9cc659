//! What a lifecycle policy of a repository would expire.
//!
//! Source: "Lifecycle policies in Amazon ECR", "How lifecycle policies work": rules are applied
//! in the order of their priority; an image that a rule looked at is not looked at by a later
//! one; of the images of a rule, the oldest are expired.

use bfd_core::Value;
use std::collections::BTreeSet;

/// An image as a policy sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Aged {
    pub(crate) digest: String,
    pub(crate) tags: Vec<String>,
    /// Seconds since 1970.
    pub(crate) pushed_at: f64,
}

#[derive(Debug)]
struct Rule<'a> {
    priority: i64,
    selection: &'a Value,
}

/// The digests that the policy would expire once an image for each tag of `next` was pushed `now`.
/// A policy that cannot be read expires nothing: AWS has taken it, and knows better.
pub(crate) fn expired(policy: &str, images: &[Aged], next: &[&str], now: f64) -> BTreeSet<String> {
    let Ok(policy) = serde_json::from_str::<Value>(policy) else { return BTreeSet::new() };
    let rules = policy["rules"].as_array().into_iter().flatten();
    let mut rules: Vec<Rule<'_>> = rules
        .filter_map(|rule| {
            Some(Rule { priority: rule["rulePriority"].as_i64()?, selection: &rule["selection"] })
        })
        .collect();
    rules.sort_by_key(|rule| rule.priority);
    let image =
        |tag: &&str| Aged { digest: String::new(), tags: vec![(*tag).to_owned()], pushed_at: now };
    let next: Vec<Aged> = next.iter().map(image).collect();
    let mut open: Vec<&Aged> = images.iter().chain(&next).collect();
    // The newest first; of the same age, in one order.
    open.sort_by(|a, b| b.pushed_at.total_cmp(&a.pushed_at).then(a.digest.cmp(&b.digest)));
    let mut expired = BTreeSet::new();
    for rule in rules {
        let (matched, rest): (Vec<&Aged>, Vec<&Aged>) =
            open.into_iter().partition(|image| rule.selects(image));
        let gone = matched.iter().enumerate().filter(|(at, image)| rule.expires(*at, image, now));
        expired.extend(gone.map(|(_, image)| image.digest.clone()));
        open = rest;
    }
    expired.remove("");
    expired
}

impl Rule<'_> {
    fn selects(&self, image: &Aged) -> bool {
        let list = |name: &str| {
            let list = self.selection[name].as_array().into_iter().flatten();
            list.filter_map(Value::as_str).collect::<Vec<_>>()
        };
        match self.selection["tagStatus"].as_str() {
            Some("any") => true,
            Some("untagged") => image.tags.is_empty(),
            Some("tagged") => {
                let (prefixes, patterns) = (list("tagPrefixList"), list("tagPatternList"));
                // Every one of the list has to be met by some tag.
                let any = |met: &dyn Fn(&str) -> bool| image.tags.iter().any(|tag| met(tag));
                !(prefixes.is_empty() && patterns.is_empty())
                    && prefixes.iter().all(|prefix| any(&|tag| tag.starts_with(prefix)))
                    && patterns.iter().all(|pattern| any(&|tag| is_like(tag, pattern)))
            }
            _ => false,
        }
    }

    /// Whether the image at this place, counted from the newest, is one too many or too old.
    fn expires(&self, at: usize, image: &Aged, now: f64) -> bool {
        const DAY: f64 = 86_400.0;
        let Some(number) = self.selection["countNumber"].as_u64() else { return false };
        match self.selection["countType"].as_str() {
            Some("imageCountMoreThan") => at as u64 >= number,
            Some("sinceImagePushed") => {
                let days = u32::try_from(number).unwrap_or(u32::MAX);
                now - image.pushed_at > f64::from(days) * DAY
            }
            _ => false,
        }
    }
}

/// Whether a tag is like a pattern, in which `*` stands for anything.
fn is_like(tag: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = tag.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// The images of a repository by their digests, from the order in which they were pushed.
#[cfg(test)]
fn pushed(digests: &[(&str, &[&str])]) -> Vec<Aged> {
    let image = |(number, (digest, tags)): (u32, &(&str, &[&str]))| Aged {
        digest: (*digest).to_owned(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        pushed_at: f64::from(number) * 86_400.0,
    };
    (0..).zip(digests).map(image).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: f64 = 10.0 * 86_400.0;

    fn rule(priority: u8, selection: &Value) -> Value {
        json!({ "rulePriority": priority, "selection": selection, "action": { "type": "expire" } })
    }

    fn expire(rules: &[Value], images: &[(&str, &[&str])]) -> Vec<String> {
        let policy = json!({ "rules": rules }).to_string();
        expired(&policy, &pushed(images), &["next"], NOW).into_iter().collect()
    }

    #[test]
    fn the_oldest_are_one_too_many_once_another_is_pushed() {
        let keep = |number: u8| {
            let selection = json!({
                "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": number,
            });
            rule(1, &selection)
        };
        let images: [(&str, &[&str]); 3] = [("a", &["v1"]), ("b", &[]), ("c", &["v3"])];
        assert_eq!(expire(&[keep(4)], &images), [""; 0]);
        assert_eq!(expire(&[keep(3)], &images), ["a"]);
        assert_eq!(expire(&[keep(1)], &images), ["a", "b", "c"]);
    }

    #[test]
    fn a_rule_takes_images_away_from_later_ones() {
        let selected = |status: &str, prefixes: &[&str], number: u8| {
            json!({
                "tagStatus": status, "tagPrefixList": prefixes,
                "countType": "imageCountMoreThan", "countNumber": number,
            })
        };
        let images: [(&str, &[&str]); 4] =
            [("a", &["prod-1"]), ("b", &["dev-1"]), ("c", &["dev-2"]), ("d", &[])];
        let rules = [rule(2, &selected("any", &[], 1)), rule(1, &selected("tagged", &["prod"], 5))];
        assert_eq!(expire(&rules, &images), ["b", "c", "d"], "production is kept");
    }

    #[test]
    fn age_is_counted_from_the_push() {
        let old = json!({
            "tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days",
            "countNumber": 9,
        });
        let images: [(&str, &[&str]); 3] = [("a", &[]), ("b", &[]), ("c", &["v1"])];
        assert_eq!(expire(&[rule(1, &old)], &images), ["a"]);
    }

    #[test]
    fn stars_stand_for_anything() {
        for (tag, pattern, is) in [
            ("prod-1", "prod-*", true),
            ("prod-1", "*-1", true),
            ("prod-web-1", "prod*web*", true),
            ("prod", "prod", true),
            ("prod-1", "prod", false),
            ("dev-1", "prod*", false),
        ] {
            assert_eq!(is_like(tag, pattern), is, "{tag} {pattern}");
        }
    }
}
