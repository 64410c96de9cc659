//! Reading and checking templates.

use std::collections::BTreeSet;

use super::settings::required_capabilities;
use super::with_id;
use crate::cloudformation::errors::validation;
use crate::cloudformation::parameters::Declaration;
use crate::cloudformation::request::Request;
use crate::cloudformation::template::{self, Template};
use crate::cloudformation::xml::Xml;
use crate::error::QueryError;
use crate::world::World;

pub(super) fn get(world: &World, request: Request<'_>) -> Result<String, QueryError> {
    let stack = match request.get("StackName") {
        Some(name) => with_id(world, name)?,
        None => match request.get("ChangeSetName").filter(|name| name.starts_with("arn:")) {
            Some(id) => world
                .stacks
                .all
                .values()
                .find(|stack| stack.change_sets.iter().any(|set| set.id == id))
                .ok_or_else(|| super::change_sets::not_found(id))?,
            None => {
                return Err(validation("StackName is required if ChangeSetName is not specified."));
            }
        },
    };
    let body = match request.get("ChangeSetName") {
        Some(name) => {
            &stack
                .change_sets
                .iter()
                .find(|set| set.name == name || set.id == name)
                .ok_or_else(|| super::change_sets::not_found(name))?
                .settings
                .template
        }
        None => &stack.settings.template,
    };
    Ok(Xml::new()
        .text("TemplateBody", body)
        .texts("StagesAvailable", ["Original", "Processed"])
        .finish())
}

pub(super) fn validate(world: &World, request: Request<'_>) -> Result<String, QueryError> {
    let body = request
        .template_body(world)?
        .ok_or_else(|| validation("Either Template URL or Template Body must be specified."))?;
    let template = template::parse(&body)?;
    let xml = Xml::new().list("Parameters", &template.parameters, |xml, (name, declared)| {
        xml.text("ParameterKey", name)
            .optional("DefaultValue", shown_default(declared))
            .flag("NoEcho", declared.no_echo)
            .optional("Description", declared.description.as_ref())
    });
    Ok(capabilities(xml, &template).optional("Description", template.description.as_ref()).finish())
}

pub(super) fn summary(world: &World, request: Request<'_>) -> Result<String, QueryError> {
    let body = match (request.template_body(world)?, request.get("StackName")) {
        (Some(body), None) => body,
        (None, Some(name)) => with_id(world, name)?.settings.template.clone(),
        _ => {
            return Err(validation(
                "You must specify only one of the following: TemplateBody, TemplateURL, StackName or StackSetName",
            ));
        }
    };
    let template = template::parse(&body)?;
    let kinds: BTreeSet<&str> =
        template.resources.values().map(|resource| resource.kind.as_str()).collect();
    let xml = Xml::new().list("Parameters", &template.parameters, |xml, (name, declared)| {
        xml.text("ParameterKey", name)
            .optional("DefaultValue", shown_default(declared))
            .text("ParameterType", &declared.kind)
            .flag("NoEcho", declared.no_echo)
            .optional("Description", declared.description.as_ref())
            .nest("ParameterConstraints", |xml| match &declared.allowed_values {
                Some(values) => xml.texts("AllowedValues", values),
                None => xml,
            })
    });
    Ok(capabilities(xml, &template)
        .optional("Description", template.description.as_ref())
        .texts("ResourceTypes", kinds)
        .text("Version", "2010-09-09")
        .optional("Metadata", template.metadata.as_ref().map(ToString::to_string))
        .finish())
}

fn capabilities(xml: Xml, template: &Template) -> Xml {
    match required_capabilities(template) {
        None => xml.texts("Capabilities", [""; 0]),
        Some((capability, reason)) => {
            xml.texts("Capabilities", [capability]).text("CapabilitiesReason", reason)
        }
    }
}

fn shown_default(declared: &Declaration) -> Option<&str> {
    if declared.no_echo && declared.default.is_some() {
        return Some(crate::cloudformation::parameters::MASK);
    }
    declared.default.as_deref()
}
