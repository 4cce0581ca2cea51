//! The root of trust: an AWS KMS key that makes data keys and unwraps them. It never leaves KMS.

use crate::aws;
use crate::domain::environment::WrappedDataKey;
use crate::domain::id::DataKeyId;
use crate::vault::cipher::Key;
use aws_sdk_kms::Client;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use std::collections::HashMap;
use zeroize::Zeroizing;

/// A KMS key, and how to reach it.
#[derive(Debug, Clone)]
pub struct Kms {
    client: Client,
    key: String,
}

/// KMS did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum KmsError {
    /// It failed, or does not let us. `reason` is a code, never the service's own text.
    #[error("KMS could not {operation}: {reason}")]
    Unavailable {
        /// What was tried.
        operation: &'static str,
        /// The error's code.
        reason: String,
    },
    /// The key did not wrap this entry.
    #[error("the KMS key does not open {0}: another key wrapped it")]
    Foreign(DataKeyId),
}

impl Kms {
    /// The key with this id, ARN or alias.
    #[must_use]
    pub fn new(client: Client, key: String) -> Self {
        Self { client, key }
    }

    /// The key's id, ARN or alias, as it was given.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The state the key is in: `Enabled`, or why it wraps and unwraps nothing.
    ///
    /// # Errors
    ///
    /// [`KmsError::Unavailable`] if KMS does not say.
    pub async fn state(&self) -> Result<String, KmsError> {
        let described = self.client.describe_key().key_id(&self.key).send().await;
        let metadata = described.map_err(|error| unavailable("describe the key", &error))?.key_metadata;
        let state = metadata.and_then(|metadata| metadata.key_state);
        Ok(state.map_or_else(|| "unknown".to_owned(), |state| state.as_str().to_owned()))
    }

    /// A new data key under the name `id`, plain and wrapped. Only operators may.
    ///
    /// # Errors
    ///
    /// [`KmsError::Unavailable`] if KMS makes none.
    pub async fn generate(&self, id: DataKeyId) -> Result<(Key, WrappedDataKey), KmsError> {
        let operation = "make a data key";
        let request = self
            .client
            .generate_data_key()
            .key_id(&self.key)
            .key_spec(DataKeySpec::Aes256)
            .set_encryption_context(Some(context(id)));
        let made = request.send().await.map_err(|error| unavailable(operation, &error))?;
        let key = made.plaintext.and_then(key).zip(made.ciphertext_blob);
        let (key, wrapped) = key.ok_or_else(|| KmsError::Unavailable {
            operation,
            reason: "an answer without a key".to_owned(),
        })?;
        Ok((key, WrappedDataKey { id, bytes: wrapped.into_inner() }))
    }

    /// Unwraps an entry.
    ///
    /// # Errors
    ///
    /// [`KmsError::Foreign`] if another key wrapped it, it was wrapped under another name, or its bytes are damaged.
    pub async fn unwrap_key(&self, wrapped: &WrappedDataKey) -> Result<Key, KmsError> {
        let request = self
            .client
            .decrypt()
            .key_id(&self.key)
            .ciphertext_blob(Blob::new(wrapped.bytes.clone()))
            .set_encryption_context(Some(context(wrapped.id)));
        match request.send().await {
            Ok(opened) => opened.plaintext.and_then(key).ok_or(KmsError::Foreign(wrapped.id)),
            Err(error) => Err(match error.code() {
                Some("InvalidCiphertextException" | "IncorrectKeyException" | "ValidationException") => {
                    KmsError::Foreign(wrapped.id)
                }
                _ => unavailable("unwrap a data key", &error),
            }),
        }
    }
}

/// What an entry is bound to. Permissions may ask for it (`template.yaml`), and KMS writes it into its own log.
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
