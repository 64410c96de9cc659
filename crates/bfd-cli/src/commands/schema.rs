use crate::{
    cli::{SchemaArgs, SchemaFormat},
    exit::{CommandError, Exit},
    screen::Screen,
    views,
};

/// Prints the description of manifests, for editors and for people.
pub(super) fn run(args: &SchemaArgs, screen: Screen) -> Result<Exit, CommandError> {
    let json = match (args.plan, args.format) {
        (true, SchemaFormat::Json) => views::plan::schema(),
        (true, SchemaFormat::Markdown) => {
            return Err(CommandError::refused("the plan's schema is JSON only"));
        }
        (false, SchemaFormat::Json) => bfd_manifest::schema(bfd_kinds::all()),
        (false, SchemaFormat::Markdown) => {
            screen.data(&bfd_manifest::reference(bfd_kinds::all()));
            return Ok(Exit::Done);
        }
    };
    screen.data(&(serde_json::to_string_pretty(&json).expect("a schema is plain data") + "\n"));
    Ok(Exit::Done)
}
