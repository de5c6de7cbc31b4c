//! A run as data: what is wanted, planned, said and answered.

pub mod answers;
pub mod aws_change;
pub mod check;
pub mod event;
pub mod goal;
pub mod kept_plan;
pub mod link_explanation;
pub mod other_run;
pub mod plan;
pub mod plan_document;
pub mod proposed_command;
pub mod tally;
pub mod usual_wait;
pub mod welcome;
