//! The root of trust: an AWS KMS key that generates and unwraps data keys. The key never leaves KMS.

use crate::aws;
use crate::domain::environment::WrappedDataKey;
use crate::domain::id::DataKeyId;
use crate::vault::cipher::Key;
use aws_sdk_kms::Client;
use aws_sdk_kms::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_kms::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_kms::error::{BoxError, ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use http::header::AUTHORIZATION;
use std::collections::HashMap;
use zeroize::Zeroizing;

/// A KMS key and the client to use it with.
#[derive(Debug, Clone)]
pub struct Kms {
    client: Client,
    key: String,
}

/// A KMS call failed.
#[derive(Debug, thiserror::Error)]
pub enum KmsError {
    /// KMS failed or denied access. `reason` is an error code, never the service's message.
    #[error("KMS could not {operation}: {reason}")]
    Unavailable {
        /// The operation that failed.
        operation: &'static str,
        /// The error code.
        reason: String,
    },
    /// The entry was wrapped by another key.
    #[error("the KMS key cannot unwrap {0}: another key wrapped it")]
    WrongKey(DataKeyId),
}

impl Kms {
    /// The key with this ID, ARN or alias.
    #[must_use]
    pub fn new(client: Client, key: String) -> Self {
        Self { client, key }
    }

    /// The key's ID, ARN or alias, as configured.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Opens a connection to KMS that a later call uses. Nothing depends on it, so no error is reported.
    ///
    /// There is no call that opens a connection only, so this sends a Decrypt without a signature, which KMS refuses before
    /// it looks at a key: it needs no permission, costs nothing, and is not in `CloudTrail`.
    pub async fn connect(&self) {
        let request = self
            .client
            .decrypt()
            .key_id(&self.key)
            .ciphertext_blob(Blob::new([0]))
            .encryption_context("latchkey", "keyring");
        let _ = request.customize().interceptor(Unsigned).send().await;
    }

    /// The key's state. In any state but `Enabled`, the key can neither wrap nor unwrap.
    ///
    /// # Errors
    ///
    /// [`KmsError::Unavailable`] if the call fails.
    pub async fn state(&self) -> Result<String, KmsError> {
        let described = self.client.describe_key().key_id(&self.key).send().await;
        let metadata = described.map_err(|error| unavailable("describe the key", &error))?.key_metadata;
        let state = metadata.and_then(|metadata| metadata.key_state);
        Ok(state.map_or_else(|| "unknown".to_owned(), |state| state.as_str().to_owned()))
    }

    /// Generates a data key with the ID `id`, and returns it in plaintext and wrapped. Only operators have this
    /// permission.
    ///
    /// # Errors
    ///
    /// [`KmsError::Unavailable`] if the call fails.
    pub async fn generate(&self, id: DataKeyId) -> Result<(Key, WrappedDataKey), KmsError> {
        let operation = "generate a data key";
        let request = self
            .client
            .generate_data_key()
            .key_id(&self.key)
            .key_spec(DataKeySpec::Aes256)
            .set_encryption_context(Some(context(id)));
        let generated = request.send().await.map_err(|error| unavailable(operation, &error))?;
        let key = generated.plaintext.and_then(key).zip(generated.ciphertext_blob);
        let (key, wrapped) = key.ok_or_else(|| KmsError::Unavailable {
            operation,
            reason: "a response without a key".to_owned(),
        })?;
        Ok((key, WrappedDataKey { id, bytes: wrapped.into_inner() }))
    }

    /// Unwraps a data key.
    ///
    /// # Errors
    ///
    /// [`KmsError::WrongKey`] if it was wrapped by another key or with another ID, or if its bytes are damaged.
    /// [`KmsError::Unavailable`] if the call fails.
    pub async fn unwrap_key(&self, wrapped: &WrappedDataKey) -> Result<Key, KmsError> {
        let request = self
            .client
            .decrypt()
            .key_id(&self.key)
            .ciphertext_blob(Blob::new(wrapped.bytes.clone()))
            .set_encryption_context(Some(context(wrapped.id)));
        match request.send().await {
            Ok(opened) => opened.plaintext.and_then(key).ok_or(KmsError::WrongKey(wrapped.id)),
            Err(error) => Err(match error.code() {
                Some("InvalidCiphertextException" | "IncorrectKeyException" | "ValidationException") => {
                    KmsError::WrongKey(wrapped.id)
                }
                _ => unavailable("unwrap a data key", &error),
            }),
        }
    }
}

/// Removes the signature of a request.
#[derive(Debug)]
struct Unsigned;

impl Intercept for Unsigned {
    fn name(&self) -> &'static str {
        "Unsigned"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        context.request_mut().headers_mut().remove(AUTHORIZATION.as_str());
        Ok(())
    }
}

/// The encryption context of a data key. IAM policies can require it (`template.yaml`), and `CloudTrail` logs it.
fn context(id: DataKeyId) -> HashMap<String, String> {
    HashMap::from([("latchkey".to_owned(), "keyring".to_owned()), ("data_key".to_owned(), id.to_string())])
}

fn key(plain: Blob) -> Option<Key> {
    let plain = Zeroizing::new(plain.into_inner());
    plain.as_slice().try_into().ok().map(Key::new)
}

fn unavailable<E: ProvideErrorMetadata, R>(operation: &'static str, error: &SdkError<E, R>) -> KmsError {
    KmsError::Unavailable { operation, reason: aws::reason(error) }
}
