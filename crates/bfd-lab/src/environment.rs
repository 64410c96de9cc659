//! Environments that the dice make up, and what a person may change about them.

use crate::{
    dice::Dice,
    links::{Links, Template},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// An environment, as much of it as matters here.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    pub coordinator: BTreeMap<String, String>,
    pub repositories: BTreeMap<String, Repository>,
    pub parameters: BTreeMap<String, Parameter>,
    pub stacks: BTreeMap<String, Stack>,
    pub services: BTreeMap<String, Service>,
    pub cluster: String,
    pub tag: String,
    /// What stacks take from each other, in stories about that.
    pub links: Option<Links>,
}

#[derive(Clone, Debug)]
pub struct Repository {
    keep: usize,
    scan: bool,
    name: String,
}

#[derive(Clone, Debug)]
pub struct Parameter {
    name: String,
    value: String,
    secret: Option<String>,
    description: Option<String>,
    tag: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Stack {
    name: String,
    size: String,
    resources: usize,
    tag: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Service {
    name: String,
    image: String,
    port: u16,
    health: Option<String>,
    count: usize,
    variable: String,
    memory: usize,
    minimum: usize,
    autoscaling: Option<usize>,
    needs: BTreeSet<String>,
    tag: Option<String>,
}

/// What secrets may be read from, with their plaintexts: none may ever be written.
pub const SECRETS: [(&str, &str); 4] = [
    ("SECRET_ONE", "planted-plaintext-one"),
    ("SECRET_TWO", "planted-plaintext-two"),
    ("SECRET_THREE", "planted-plaintext-three"),
    ("SECRET_FOUR", "planted-plaintext-four"),
];

/// Tags of the images that are pushed to each repository, and how their containers behave.
pub const GOOD_TAGS: [&str; 3] = ["v1", "v2", "v3"];
pub const CRASHING_TAG: &str = "crash";
pub const UNHEALTHY_TAG: &str = "unhealthy";
pub const MEMORY_TAG: &str = "memory";
pub const SLOW_TAG: &str = "slow";

impl Environment {
    /// An environment as somebody would begin one. Services of own images come later,
    /// when there are images.
    pub fn thrown(dice: &mut Dice) -> Self {
        let mut made = Self { cluster: "lab-main".to_owned(), ..Self::default() };
        for key in ["color", "stage", "size"] {
            if dice.percent(40) {
                made.coordinator.insert(key.to_owned(), dice.below(9).to_string());
            }
        }
        for name in ["app", "jobs"] {
            if dice.percent(50) {
                let repository = Repository {
                    keep: 10 + dice.below(5),
                    scan: dice.percent(50),
                    name: format!("lab-{name}"),
                };
                made.repositories.insert(name.to_owned(), repository);
            }
        }
        for name in ["network", "data"] {
            if dice.percent(45) {
                made.stacks.insert(name.to_owned(), Stack::thrown(name, dice));
            }
        }
        for number in 0..dice.below(4) {
            let name = format!("p{number}");
            let parameter = Parameter::thrown(&name, &made, dice);
            made.parameters.insert(name, parameter);
        }
        for name in ["web", "search", "worker"] {
            if dice.percent(40) {
                made.services.insert(name.to_owned(), Service::thrown(name, &made, dice));
            }
        }
        made
    }

    /// The same with a few things changed, as the next commit would.
    #[must_use]
    pub fn changed(&self, dice: &mut Dice) -> Self {
        let mut next = self.clone();
        for _ in 0..=dice.below(4) {
            next.change(dice);
        }
        next
    }

    fn change(&mut self, dice: &mut Dice) {
        match dice.below(14) {
            0 => {
                let key = *dice.pick(&["color", "stage", "size"]);
                if self.coordinator.remove(key).is_none() || dice.percent(60) {
                    self.coordinator.insert(key.to_owned(), dice.below(99).to_string());
                }
            }
            1 => {
                if let Some(repository) = any(&mut self.repositories, dice) {
                    repository.keep += 1;
                    repository.scan = dice.percent(50);
                }
            }
            2 => {
                let name = format!("p{}", dice.below(5));
                if self.parameters.remove(&name).is_none() {
                    let parameter = Parameter::thrown(&name, self, dice);
                    self.parameters.insert(name, parameter);
                }
            }
            3 | 4 => {
                if let Some(parameter) = any(&mut self.parameters, dice) {
                    parameter.change(dice);
                }
            }
            5 => {
                let name = *dice.pick(&["network", "data"]);
                if !self.stacks.contains_key(name) {
                    self.stacks.insert(name.to_owned(), Stack::thrown(name, dice));
                } else if !self.is_needed(name) {
                    self.stacks.remove(name);
                }
            }
            6 => {
                if let Some(stack) = any(&mut self.stacks, dice) {
                    stack.change(dice);
                }
            }
            7 => {
                let name = *dice.pick(&["web", "search", "worker"]);
                if self.services.remove(name).is_none() {
                    self.services.insert(name.to_owned(), Service::thrown(name, self, dice));
                }
            }
            8 if dice.percent(15) => self.cluster = format!("lab-{}", dice.below(9)),
            _ => {
                let images: Vec<String> = self.repositories.keys().cloned().collect();
                if let Some(service) = any(&mut self.services, dice) {
                    service.change(&images, dice);
                }
            }
        }
    }

    fn is_needed(&self, stack: &str) -> bool {
        let reference = format!("stack.{stack}.");
        self.parameters.values().any(|parameter| parameter.value.contains(&reference))
            || self.services.values().any(|service| service.needs.contains(stack))
    }

    /// The same with everything that its stacks may take from each other.
    #[must_use]
    pub fn linked(mut self, dice: &mut Dice) -> Self {
        for name in ["network", "data"] {
            let stack = self.stacks.entry(name.to_owned());
            stack.or_insert_with(|| Stack::thrown(name, dice));
        }
        for key in ["p0", "p1"] {
            let parameter = Parameter::thrown(key, &Self::default(), dice);
            self.parameters.insert(key.to_owned(), Parameter { secret: None, ..parameter });
        }
        self.links = Some(Links::thrown(dice));
        self
    }

    /// The name of a parameter that a stack may read: of no secret, and of what no stack
    /// gives.
    pub fn readable(&self, key: &str) -> Option<&str> {
        let parameter = self.parameters.get(key)?;
        let is_plain = parameter.secret.is_none() && !parameter.value.contains("${");
        is_plain.then_some(parameter.name.as_str())
    }

    fn template(&self, key: &str, stack: &Stack) -> String {
        let mut template = stack.template();
        if let Some(links) = &self.links {
            links.extend(self, key, &mut template);
        }
        let Template { parameters, resources, outputs } = template;
        format!("Parameters: {{ {parameters} }}\nResources:\n{resources}Outputs: {{ {outputs} }}\n")
    }

    /// The manifest, and the files that it names.
    pub fn files(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        for (name, stack) in &self.stacks {
            files.insert(format!("{name}.yaml"), self.template(name, stack));
        }
        files.insert("lab.toml".to_owned(), self.manifest());
        files
    }

    fn manifest(&self) -> String {
        let mut text = String::from(
            "[environment]\nname = \"lab\"\naccount = \"123456789012\"\n\
             region = \"ap-southeast-1\"\ntags = { Application = \"lab\" }\n\n\
             [provider]\nkind = \"sandbox\"\n\n[guard]\ndeletes = \"allow\"\n\n\
             [coordinator]\nparameter_prefix = \"/lab/deployment\"\n",
        );
        let entries = self.coordinator.iter().map(|(key, value)| format!("{key} = \"{value}\""));
        let entries: Vec<String> = entries.collect();
        let mut line = |args: std::fmt::Arguments<'_>| {
            text.write_fmt(args).expect("writing to a string");
            text.push('\n');
        };
        line(format_args!("config = {{ {} }}\n", entries.join(", ")));
        for (key, Repository { keep, scan, name }) in &self.repositories {
            line(format_args!(
                "[repository.{key}]\nname = \"{name}\"\nkeep_images = {keep}\n\
                 scan_on_push = {scan}\n"
            ));
        }
        for (key, parameter) in &self.parameters {
            line(format_args!("[parameter.{key}]\n{}", parameter.fields()));
        }
        for (key, stack) in &self.stacks {
            let read = self.links.as_ref().and_then(|links| links.read(self, key));
            line(format_args!("[stack.{key}]\n{}", stack.fields(key, read)));
        }
        if !self.services.is_empty() {
            line(format_args!("[cluster.main]\nname = \"{}\"\n", self.cluster));
        }
        for (key, service) in &self.services {
            line(format_args!("{}", service.tables(key)));
        }
        text
    }
}

fn any<'a, T>(from: &'a mut BTreeMap<String, T>, dice: &mut Dice) -> Option<&'a mut T> {
    let at = dice.below(from.len());
    from.values_mut().nth(at)
}

fn maybe(dice: &mut Dice, text: &str) -> Option<String> {
    dice.percent(50).then(|| format!("{text} {}", dice.below(9)))
}

fn tags(tag: Option<&String>) -> String {
    tag.map(|tag| format!("tags = {{ Owner = \"{tag}\" }}\n")).unwrap_or_default()
}

impl Parameter {
    fn thrown(key: &str, of: &Environment, dice: &mut Dice) -> Self {
        let stack = of.stacks.keys().next().filter(|_| dice.percent(30));
        let value = match stack {
            Some(stack) => format!("queue ${{stack.{stack}.outputs.Name}}"),
            None => format!("value {}", dice.below(100)),
        };
        let secret = dice.percent(35).then(|| dice.pick(&SECRETS).0.to_owned());
        Self {
            name: format!("/lab/{key}"),
            value,
            secret,
            description: maybe(dice, "about"),
            tag: maybe(dice, "team"),
        }
    }

    fn change(&mut self, dice: &mut Dice) {
        match dice.below(10) {
            0 => self.description = maybe(dice, "about"),
            1 => self.tag = maybe(dice, "team"),
            2 => self.name.push('x'),
            _ => match &mut self.secret {
                Some(secret) => dice.pick(&SECRETS).0.clone_into(secret),
                None => self.value = format!("value {}", dice.below(100)),
            },
        }
    }

    fn fields(&self) -> String {
        let value = match &self.secret {
            Some(variable) => {
                format!("type = \"SecureString\"\nvalue_from = {{ env = \"{variable}\" }}\n")
            }
            None => format!("value = \"{}\"\n", self.value),
        };
        let description = self.description.as_ref();
        let description = description.map(|it| format!("description = \"{it}\"\n"));
        let (description, tags) = (description.unwrap_or_default(), tags(self.tag.as_ref()));
        format!("name = \"{}\"\n{value}{description}{tags}", self.name)
    }
}

impl Stack {
    fn thrown(key: &str, dice: &mut Dice) -> Self {
        Self {
            name: format!("lab-{key}"),
            size: dice.below(9).to_string(),
            resources: 1 + dice.below(3),
            tag: maybe(dice, "team"),
        }
    }

    fn change(&mut self, dice: &mut Dice) {
        match dice.below(4) {
            0 => self.size = dice.below(9).to_string(),
            1 => self.resources = 1 + dice.below(4),
            2 => self.tag = maybe(dice, "team"),
            // A value that SSM refuses, so that the stack fails and goes back.
            _ => "broken".clone_into(&mut self.size),
        }
    }

    fn fields(&self, key: &str, read: Option<&str>) -> String {
        let Self { name, size, tag, .. } = self;
        let tags = tags(tag.as_ref());
        let read = read.map(|name| format!(", Read = \"{name}\"")).unwrap_or_default();
        format!(
            "name = \"{name}\"\ntemplate = \"{key}.yaml\"\nparameters = {{ Size = \"{size}\"{read} }}\n{tags}"
        )
    }

    fn template(&self) -> Template {
        let mut resources = String::new();
        for number in 0..self.resources {
            writeln!(
                resources,
                "  P{number}:\n    Type: AWS::SSM::Parameter\n    Properties: {{ Type: String, \
                 Name: !Sub '/{}/p{number}', AllowedPattern: '[0-9]+', Value: !Ref Size }}",
                self.name
            )
            .expect("writing to a string");
        }
        Template {
            parameters: "Size: { Type: String }".to_owned(),
            resources,
            outputs: "Name: { Value: !Ref P0 }, Size: { Value: !Ref Size }".to_owned(),
        }
    }
}

impl Service {
    fn thrown(key: &str, of: &Environment, dice: &mut Dice) -> Self {
        let needs = of.stacks.keys().filter(|_| dice.percent(30)).cloned().collect();
        let mut made = Self {
            name: format!("lab-{key}"),
            image: "typesense/typesense:27.1".to_owned(),
            port: 8108,
            health: dice.percent(70).then(|| "curl -f http://localhost:8108/health".to_owned()),
            count: 1 + dice.below(3),
            variable: dice.below(9).to_string(),
            memory: 512,
            minimum: *dice.pick(&[100, 100, 50]),
            autoscaling: None,
            needs,
            tag: None,
        };
        if dice.percent(40) {
            "public.ecr.aws/nginx/nginx:alpine".clone_into(&mut made.image);
            made.port = 80;
            made.health = made.health.map(|_| "curl -f http://localhost/".to_owned());
        }
        made
    }

    fn change(&mut self, repositories: &[String], dice: &mut Dice) {
        match dice.below(16) {
            0 | 1 => self.variable = dice.below(99).to_string(),
            2 => self.count = dice.below(4),
            3 => self.memory = *dice.pick(&[512, 1024, 2048]),
            4 => self.minimum = *dice.pick(&[100, 50, 0]),
            5 => self.autoscaling = dice.percent(60).then(|| 3 + dice.below(3)),
            6 => self.tag = maybe(dice, "team"),
            7 => "nobody/never-pushed:1".clone_into(&mut self.image),
            8 => self.health = Some("curl -f http://localhost:9999/health".to_owned()),
            9 if dice.percent(30) => self.name.push('x'),
            _ if !repositories.is_empty() => {
                let tags = [
                    GOOD_TAGS[0],
                    GOOD_TAGS[1],
                    GOOD_TAGS[2],
                    SLOW_TAG,
                    CRASHING_TAG,
                    UNHEALTHY_TAG,
                    MEMORY_TAG,
                ];
                let (repository, tag) = (dice.pick(repositories), dice.pick(&tags));
                self.image = format!("${{repository.{repository}}}:{tag}");
                self.port = 3000;
                self.health = Some("curl -f http://localhost:3000/health".to_owned());
            }
            _ => self.variable = dice.below(99).to_string(),
        }
    }

    fn tables(&self, key: &str) -> String {
        let Self { name, port, count, memory, minimum, variable, .. } = self;
        let needs: Vec<String> = self.needs.iter().map(|it| format!("\"stack.{it}\"")).collect();
        let autoscaling = self.autoscaling.map(|max| {
            format!("\n[service.{key}.autoscaling]\nmin = 1\nmax = {max}\ntarget_cpu = 60\n")
        });
        // An own image is a resource: its tag is looked up when planning.
        let (image, source) = if self.image.starts_with("${") {
            let source = format!("\n[image.{key}]\nsource = \"{}\"\n", self.image);
            (format!("${{image.{key}}}"), source)
        } else {
            (self.image.clone(), String::new())
        };
        let health = self.health.as_ref().map(|command| {
            format!(
                "health_check = {{ command = \"{command}\", interval = \"10s\", retries = 2, \
                 start_period = \"10s\" }}\n"
            )
        });
        format!(
            "[service.{key}]\nname = \"{name}\"\ncluster = \"main\"\ndesired_count = {count}\n\
             cpu = 256\nmemory = {memory}\nexecution_role = \
             \"arn:aws:iam::123456789012:role/lab\"\nminimum_healthy_percent = {minimum}\n\
             depends_on = [{}]\nnetwork = {{ subnets = [\"subnet-1\"], security_groups = [] }}\n{}\
             {}\n[service.{key}.container.main]\nimage = \"{image}\"\nport = {port}\n\
             environment = {{ VARIABLE = \"{variable}\" }}\n{}{source}",
            needs.join(", "),
            tags(self.tag.as_ref()),
            autoscaling.unwrap_or_default(),
            health.unwrap_or_default(),
        )
    }
}
