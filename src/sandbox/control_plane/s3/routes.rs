//! What s3s doesn't parse itself: the settings of buckets, the lists and tags that are put on objects, and headers that S3 takes as any text.

use http::{HeaderMap, Method, Uri};
use s3s::{Body, S3Request, S3Response, S3Result, route::S3Route};

use super::{empty_completion, object_documents, settings, withheld_headers};
use crate::sandbox::Sandbox;

/// Sorts requests that s3s has checked the signature of.
pub struct SandboxS3Route(pub Sandbox);

enum RoutedRequest {
    BucketSetting,
    ObjectDocument,
    EmptyCompletion,
    WithheldHeaders,
}

fn sort_request(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<RoutedRequest> {
    if settings::is_bucket_setting_request(method, uri, headers) {
        Some(RoutedRequest::BucketSetting)
    } else if object_documents::is_object_document_request(method, uri, headers) {
        Some(RoutedRequest::ObjectDocument)
    } else if empty_completion::is_empty_completion(method, uri, headers) {
        Some(RoutedRequest::EmptyCompletion)
    } else if withheld_headers::list_withheld_headers(method, headers).is_empty() {
        None
    } else {
        Some(RoutedRequest::WithheldHeaders)
    }
}

#[async_trait::async_trait]
impl S3Route for SandboxS3Route {
    fn is_match(&self, method: &Method, uri: &Uri, headers: &HeaderMap, _: &mut http::Extensions) -> bool {
        sort_request(method, uri, headers).is_some()
    }

    async fn check_access(&self, request: &mut S3Request<Body>) -> S3Result<()> {
        match sort_request(&request.method, &request.uri, &request.headers) {
            Some(RoutedRequest::BucketSetting) => settings::check_setting_access(&self.0, request),
            Some(RoutedRequest::ObjectDocument) => {
                object_documents::check_object_document_access(&self.0, request)
            }
            Some(RoutedRequest::EmptyCompletion) => {
                empty_completion::check_empty_completion_access(&self.0, request)
            }
            // It is held to its rights when it comes again.
            Some(RoutedRequest::WithheldHeaders) | None => Ok(()),
        }
    }

    async fn call(&self, request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        match sort_request(&request.method, &request.uri, &request.headers) {
            Some(RoutedRequest::BucketSetting) => settings::handle_bucket_setting(&self.0, request).await,
            Some(RoutedRequest::ObjectDocument) => {
                object_documents::handle_object_document(&self.0, request).await
            }
            Some(RoutedRequest::EmptyCompletion) => {
                empty_completion::refuse_empty_completion(&self.0, &request)
            }
            Some(RoutedRequest::WithheldHeaders) | None => {
                withheld_headers::serve_withheld_request(&self.0, request).await
            }
        }
    }
}
