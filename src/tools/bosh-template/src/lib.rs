//! Renders the ERB templates of BOSH jobs as a BOSH Director does, by the machine's Ruby.
//!
//! The semantics are those of the Director's template code (cloudfoundry/bosh, `bosh/common/template` and
//! `bosh/director/core/templates`): `p`, `if_p`, `link`, `if_link`, `name`, `index`, `properties`, `raw_properties`,
//! `spec`, with trim mode `-`. Contexts go to Ruby through a pipe: they hold secrets.

mod error;
mod renderer;

pub use error::{RenderError, TemplateError};
pub use renderer::Renderer;
