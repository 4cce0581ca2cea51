//! The local root of trust: a KMS endpoint that wraps data keys with `root.key`. Supports the operations that Latchkey
//! uses.

use super::ServeError;
use super::data_dir::DataDir;
use super::private::write_file;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::ports::{Entropy as _, NoEntropy, OsEntropy};
use shared::vault::cipher::{self, Key};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::{fs, io};

/// The ID of the only key.
pub const KEY_ID: &str = "alias/latchkey-local";

/// The root key, which wraps data keys. Cheap to clone.
#[derive(Clone)]
pub(super) struct RootKey(Arc<Key>);

/// A KMS request.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    key_id: String,
    ciphertext_blob: Option<String>,
    #[serde(default)]
    encryption_context: BTreeMap<String, String>,
}

impl RootKey {
    /// Reads the key from the data directory. Generates one if there is none, or no directory.
    pub(super) fn open(data: Option<&DataDir>) -> Result<Self, ServeError> {
        let Some(file) = data.map(DataDir::root_key_file) else { return Self::random().map_err(Into::into) };
        let failed = |source| ServeError::RootKey { file: file.clone(), source };
        match fs::read(&file) {
            Ok(bytes) => {
                let bytes = zeroize::Zeroizing::new(bytes);
                let key = bytes.as_slice().try_into();
                Ok(Self(Arc::new(Key::new(
                    key.map_err(|_| failed(io::Error::other("it does not hold 32 bytes")))?,
                ))))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let new = Self::random()?;
                write_file(&file, new.0.as_slice())?;
                Ok(new)
            }
            Err(source) => Err(failed(source)),
        }
    }

    fn random() -> Result<Self, NoEntropy> {
        Ok(Self(Arc::new(cipher::random_key(&mut OsEntropy.rng()?))))
    }

    fn wrap(&self, request: &Request) -> Option<Value> {
        let mut rng = OsEntropy.rng().ok()?;
        let key = cipher::random_key(&mut rng);
        let wrapped = cipher::seal(&self.0, &context(request), key.as_slice(), &mut rng)?;
        Some(json!({
            "KeyId": KEY_ID,
            "Plaintext": STANDARD.encode(key.as_slice()),
            "CiphertextBlob": STANDARD.encode(wrapped),
        }))
    }

    fn unwrap_key(&self, request: &Request) -> Option<Value> {
        let wrapped = STANDARD.decode(request.ciphertext_blob.as_ref()?).ok()?;
        let key = cipher::open(&self.0, &context(request), &wrapped)?;
        Some(json!({"KeyId": KEY_ID, "Plaintext": STANDARD.encode(&*key)}))
    }
}

/// The KMS endpoint. Anyone with access to it can unwrap keys.
pub(super) fn router(root: RootKey) -> Router {
    Router::new().route("/", post(answer)).with_state(root)
}

async fn answer(State(root): State<RootKey>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let Ok(request) = serde_json::from_slice::<Request>(&body) else { return refusal("ValidationException") };
    if request.key_id != KEY_ID {
        return refusal("NotFoundException");
    }
    match target {
        "TrentService.GenerateDataKey" => {
            root.wrap(&request).map_or_else(|| refusal("KMSInternalException"), ok)
        }
        "TrentService.Decrypt" => {
            root.unwrap_key(&request).map_or_else(|| refusal("InvalidCiphertextException"), ok)
        }
        "TrentService.DescribeKey" => {
            ok(json!({"KeyMetadata": {"KeyId": KEY_ID, "Enabled": true, "KeyState": "Enabled"}}))
        }
        _ => refusal("UnsupportedOperationException"),
    }
}

/// A text form of the encryption context with a fixed order, because the order in requests varies. Existing data keys
/// were sealed with this text, so it must never change.
fn context(request: &Request) -> String {
    let pairs = request.encryption_context.iter().map(|(name, value)| json!([name, value]));
    format!("latchkey/1/root/{}", pairs.collect::<Value>())
}

fn ok(body: Value) -> Response {
    Json(body).into_response()
}

fn refusal(code: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "__type": code }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_02_the_text_form_of_a_context_never_changes() {
        let context_of = |pairs: Value| {
            context(&serde_json::from_value(json!({"KeyId": KEY_ID, "EncryptionContext": pairs})).unwrap())
        };
        assert_eq!(context_of(json!({})), "latchkey/1/root/[]");
        assert_eq!(
            context_of(json!({"latchkey": "keyring", "data_key": "a\"b"})),
            r#"latchkey/1/root/[["data_key","a\"b"],["latchkey","keyring"]]"#
        );
    }
}
