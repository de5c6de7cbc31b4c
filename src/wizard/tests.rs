//! The wizard as tables: what it hears, and what comes of it.
