//! Lambda, driven by the SDK.
