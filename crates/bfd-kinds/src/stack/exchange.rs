//! What a stack gives to other stacks by name, and what it reads of them.

use super::sides::Side;
use crate::exchange::Exchange;
use bfd_core::{Environment, Expr, Inputs};

pub(super) fn exchange(inputs: &Inputs, environment: &Environment) -> Exchange {
    let Some(mut side) = Side::desired(inputs) else { return Exchange::default() };
    side.context.account = Some(environment.account.clone());
    side.context.region = Some(environment.region.clone());
    side.context.stack_name = inputs.get("name").and_then(Expr::as_str).map(str::to_owned);
    Exchange {
        gives: side.template.gives(&side.context),
        takes: side.template.takes(&side.context),
        is_open: side.template.may_export_more(&side.context),
    }
}
