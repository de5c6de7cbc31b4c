//! The command line's types, and nothing else.
