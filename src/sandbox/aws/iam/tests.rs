//! IAM, driven by the SDK.
