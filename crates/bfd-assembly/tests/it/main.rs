mod checks;
mod fixture;
mod hash;
mod opening;
mod package;
mod selection;
mod support;
