//! One stack, as the manifest describes it.

use crate::{
    asset::AssetManifest,
    environment::{DeclaredEnvironment, Environment, Placeholders},
    files::{Files, join},
    node::Node,
    problem::{Problem, ProblemKind, Warning},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
};

/// Names a stack within an assembly and those nested in it: `DIRECTORY/ARTIFACT`, or `ARTIFACT`
/// in the outermost.
///
/// Ids of artifacts are unique within one manifest only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StackId(String);

impl StackId {
    pub(crate) fn new(directory: &Path, artifact: &str) -> Self {
        // An id may hold anything; with a slash it could be that of another in a directory.
        let artifact = artifact.replace('~', "~0").replace('/', "~1");
        Self(directory.join(artifact).display().to_string())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StackId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A role to assume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// May have placeholders.
    pub arn: String,
    pub external_id: Option<String>,
    /// Further fields of `AssumeRole`, as its API names them: `Tags`, `TransitiveTagKeys`.
    pub additional_options: BTreeMap<String, Value>,
}

/// What must be in the account before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bootstrap {
    /// The least version of the bootstrap stack.
    pub version: u64,
    /// The name of the SSM parameter that has the version. May have placeholders.
    ///
    /// `None` in assemblies of old versions of the CDK, which read it from the outputs of the
    /// bootstrap stack.
    pub parameter: Option<String>,
}

/// Where the template of a stack is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Relative to the directory of the assembly.
    pub path: PathBuf,
    /// In bytes; `None` when there is no such file.
    pub size: Option<u64>,
    /// The bytes have not been read for this: they are, with [`Template::text`].
    directory: PathBuf,
}

impl Template {
    /// Reads it: JSON, or YAML where a person wrote it (`CfnInclude` makes JSON of it).
    ///
    /// # Errors
    ///
    /// [`ProblemKind::MissingTemplate`] when it cannot be read, and [`ProblemKind::Unreadable`]
    /// when it is no UTF-8.
    pub fn text(&self, files: &dyn Files) -> Result<String, Problem> {
        let bytes = files.read(&self.directory.join(&self.path)).map_err(|error| {
            Problem::new(ProblemKind::MissingTemplate, &self.path, "", error.to_string())
                .help(SYNTHESISE_AGAIN)
        })?;
        String::from_utf8(bytes).map_err(|_| {
            Problem::new(ProblemKind::Unreadable, &self.path, "", "the template is not UTF-8")
        })
    }
}

pub(crate) const SYNTHESISE_AGAIN: &str = "run `cdk synth` again, and keep its whole directory";

/// A stack to deploy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    pub id: StackId,
    /// The id in its manifest.
    pub artifact: String,
    /// The manifest that has it, relative to the directory of the assembly.
    pub manifest: PathBuf,
    /// The JSON pointer to it in the manifest.
    pub pointer: String,
    /// What patterns are compared with, `Stage/Stack`.
    pub hierarchical_id: String,
    /// The name in CloudFormation.
    pub name: String,
    pub environment: DeclaredEnvironment,
    pub template: Template,
    /// `s3://BUCKET/KEY` of the template, which is a file asset too.
    pub template_url: Option<String>,
    pub parameters: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    /// Topics for its events.
    pub notification_arns: Vec<String>,
    /// `None` when the application does not say.
    pub termination_protection: Option<bool>,
    /// Calls CloudFormation.
    pub deploy_role: Option<Role>,
    /// CloudFormation acts with it.
    pub execution_role_arn: Option<String>,
    /// For reading only, with the version of the bootstrap stack that has it.
    pub lookup_role: Option<(Role, Option<Bootstrap>)>,
    pub bootstrap: Option<Bootstrap>,
    /// The stacks that must be deployed before, without those that these wait for.
    pub dependencies: BTreeSet<StackId>,
    /// What is published before.
    pub asset_manifests: Vec<AssetManifest>,
    /// `Annotations.addWarning` of its constructs.
    pub warnings: Vec<Warning>,
    /// What its constructs say against deploying it.
    pub(crate) annotations: Vec<Problem>,
}

impl Stack {
    /// The same with every placeholder replaced, for somebody who deploys in `deployer`.
    ///
    /// The template and its path stay as they are.
    #[must_use]
    pub fn resolved(&self, deployer: &Environment) -> Self {
        let environment = self.environment.within(deployer);
        let mut stack = self.clone();
        stack.fill(&environment);
        for manifest in &mut stack.asset_manifests {
            manifest.fill_for(&environment);
        }
        stack.environment = DeclaredEnvironment {
            account: Some(environment.account),
            region: Some(environment.region),
        };
        stack
    }
}

impl Placeholders for Stack {
    fn each_text(&mut self, replace: &mut dyn FnMut(&mut String)) {
        self.name.each_text(replace);
        self.template_url.each_text(replace);
        self.parameters.each_text(replace);
        self.tags.each_text(replace);
        self.notification_arns.each_text(replace);
        self.deploy_role.each_text(replace);
        self.execution_role_arn.each_text(replace);
        if let Some((role, bootstrap)) = &mut self.lookup_role {
            role.each_text(replace);
            bootstrap.each_text(replace);
        }
        self.bootstrap.each_text(replace);
    }
}

impl Placeholders for Role {
    fn each_text(&mut self, replace: &mut dyn FnMut(&mut String)) {
        self.arn.each_text(replace);
        self.external_id.each_text(replace);
        self.additional_options.each_text(replace);
    }
}

impl Placeholders for Bootstrap {
    fn each_text(&mut self, replace: &mut dyn FnMut(&mut String)) {
        self.parameter.each_text(replace);
    }
}

/// Where a manifest is: the assembly's directory, and its own within that.
#[derive(Clone, Copy)]
pub(crate) struct Place<'p> {
    pub(crate) root: &'p Path,
    pub(crate) directory: &'p Path,
    pub(crate) manifest: &'p Path,
    pub(crate) files: &'p dyn Files,
}

impl Place<'_> {
    /// The size of a file, by its path from the assembly.
    pub(crate) fn size(&self, path: &Path) -> Option<u64> {
        match self.files.entry(&self.root.join(path)) {
            Ok(crate::Entry::File { size }) => Some(size),
            Ok(crate::Entry::Directory) | Err(_) => None,
        }
    }
}

/// Reads an artifact of the type `aws:cloudformation:stack`; what depends on others comes later.
pub(crate) fn read(place: Place<'_>, artifact: &str, node: &Node<'_>) -> Option<Stack> {
    let environment = node.required_text("environment").and_then(|text| {
        let parsed = DeclaredEnvironment::parse(&text);
        if parsed.is_none() {
            node.required("environment")?
                .problem(ProblemKind::Shape, format!("`{text}` is not `aws://ACCOUNT/REGION`"));
        }
        parsed
    });
    let display_name = node.text_of("displayName").filter(|name| !name.is_empty());
    let properties = node.required("properties").filter(Node::is_object)?;
    let template = properties.required_text("templateFile").map(|path| {
        let path = join(place.directory, &path);
        Template { size: place.size(&path), path, directory: place.root.to_owned() }
    });
    let name = properties.text_of("stackName").filter(|name| !name.is_empty());
    let texts = |name: &str| properties.field(name).map(|it| it.text_map());
    let lookup_role = properties
        .field("lookupRole")
        .filter(Node::is_object)
        .and_then(|role| Some((read_role(&role, "arn", "assumeRole")?, read_bootstrap(&role))));
    let protection = properties.field("terminationProtection");
    // Everything is read before what is missing ends it, so that all problems are noted.
    let template_url = properties.text_of("stackTemplateAssetObjectUrl");
    let parameters = texts("parameters").unwrap_or_default();
    let tags = texts("tags").unwrap_or_else(|| crate::metadata::stack_tags(node.value()));
    let notification_arns = properties.field("notificationArns").map(|it| it.texts());
    let termination_protection = protection.and_then(|it| it.boolean());
    let deploy_role = read_role(&properties, "assumeRoleArn", "assumeRole");
    let execution_role_arn = properties.text_of("cloudFormationExecutionRoleArn");
    let bootstrap = read_bootstrap(&properties);
    Some(Stack {
        id: StackId::new(place.directory, artifact),
        artifact: artifact.to_owned(),
        manifest: place.manifest.to_owned(),
        pointer: node.pointer().to_owned(),
        hierarchical_id: display_name.unwrap_or_else(|| artifact.to_owned()),
        name: name.unwrap_or_else(|| artifact.to_owned()),
        environment: environment?,
        template: template?,
        template_url,
        parameters,
        tags,
        notification_arns: notification_arns.unwrap_or_default(),
        termination_protection,
        deploy_role,
        execution_role_arn,
        lookup_role,
        bootstrap,
        dependencies: BTreeSet::new(),
        asset_manifests: Vec::new(),
        warnings: Vec::new(),
        annotations: Vec::new(),
    })
}

/// A role that an object names, with the fields that begin with `prefix`.
pub(crate) fn read_role(node: &Node<'_>, arn: &str, prefix: &str) -> Option<Role> {
    let external_id = node.text_of(&format!("{prefix}ExternalId"));
    let options = node.field(&format!("{prefix}AdditionalOptions"));
    let options = options.map(|it| it.fields()).unwrap_or_default().into_iter();
    let additional_options =
        options.map(|(key, node)| (key.to_owned(), node.value().clone())).collect();
    Some(Role { arn: node.text_of(arn)?, external_id, additional_options })
}

/// The version of the bootstrap stack that an object requires.
pub(crate) fn read_bootstrap(node: &Node<'_>) -> Option<Bootstrap> {
    let parameter = node.text_of("bootstrapStackVersionSsmParameter");
    let version = node.field("requiresBootstrapStackVersion")?.number()?;
    Some(Bootstrap { version, parameter })
}
