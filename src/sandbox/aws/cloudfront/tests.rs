//! CloudFront, driven by the SDK.
