//! AWS Signature Version 4, in the `Authorization` header.
//!
//! Signed are the host, the date, the type, the range and every `x-amz-` header. The path is encoded once for S3 and twice for
//! every other service, as the specification has it.

use http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{SignError, ToSign, hmac_sha256, plain, sensitive};
use crate::policy::percent;

/// The service whose path is encoded once and whose body may go unsigned.
pub const S3: &str = "s3";
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const CONTENT: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// Where a request goes in AWS's terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsSpec {
    /// The id of the access key, which is no secret.
    pub access_key_id: String,
    /// The region, such as `eu-central-1`.
    pub region: String,
    /// The service, such as `s3`.
    pub service: String,
}

/// The headers of this signature.
pub(super) fn headers(
    spec: &AwsSpec,
    key: &[u8],
    request: &ToSign<'_>,
    now: jiff::Timestamp,
) -> Result<Vec<(HeaderName, HeaderValue)>, SignError> {
    let fields = [&spec.access_key_id, &spec.region, &spec.service];
    if fields.iter().any(|field| field.is_empty() || !field.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')) {
        return Err(SignError::Field);
    }
    let date_time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let date = date_time.get(..8).unwrap_or_default();
    let content = match request.body {
        Some(body) => hex::encode(Sha256::digest(body)),
        None if spec.service == S3 => "UNSIGNED-PAYLOAD".to_owned(),
        None => return Err(SignError::NeedsBody),
    };
    let mut added = vec![(DATE, plain(&date_time)?)];
    if spec.service == S3 {
        added.push((CONTENT, plain(&content)?));
    }
    let (signed, canonical) = canonical(spec, request, &added, &content);
    let scope = format!("{date}/{}/{}/aws4_request", spec.region, spec.service);
    let to_sign = format!("{ALGORITHM}\n{date_time}\n{scope}\n{}", hex::encode(Sha256::digest(canonical.as_bytes())));
    let mut first = Zeroizing::new(Vec::with_capacity(key.len().saturating_add(4)));
    first.extend_from_slice(b"AWS4");
    first.extend_from_slice(key);
    let mut derived = hmac_sha256(&first, &[date.as_bytes()])?;
    for part in [spec.region.as_str(), &spec.service, "aws4_request"] {
        derived = hmac_sha256(derived.as_slice(), &[part.as_bytes()])?;
    }
    let signature = hex::encode(hmac_sha256(derived.as_slice(), &[to_sign.as_bytes()])?.as_slice());
    let text = format!("{ALGORITHM} Credential={}/{scope}, SignedHeaders={signed}, Signature={signature}", spec.access_key_id);
    added.push((AUTHORIZATION, sensitive(Zeroizing::new(text))?));
    Ok(added)
}

/// The names of the signed headers, and the canonical request.
fn canonical(spec: &AwsSpec, request: &ToSign<'_>, added: &[(HeaderName, HeaderValue)], content: &str) -> (String, String) {
    let mut headers: Vec<(String, String)> = vec![(HOST.as_str().to_owned(), request.target.authority())];
    headers.extend(added.iter().map(|(name, value)| (name.as_str().to_owned(), trimmed(value.as_bytes()))));
    for name in request.headers.keys() {
        let signed = matches!(name.as_str(), "content-type" | "range") || name.as_str().starts_with("x-amz-");
        if signed && !headers.iter().any(|(known, _)| known == name.as_str()) {
            let values: Vec<_> = request.headers.get_all(name).iter().map(|value| trimmed(value.as_bytes())).collect();
            headers.push((name.as_str().to_owned(), values.join(",")));
        }
    }
    headers.sort();
    let signed = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let target = request.target;
    let path = segments(&target.path, |segment| escaped(&percent::decode_lenient(segment.as_bytes())));
    let path = if spec.service == S3 { path } else { segments(&path, |segment| escaped(segment.as_bytes())) };
    let query = query(target.query.as_deref().unwrap_or_default());
    (signed.clone(), format!("{}\n{path}\n{query}\n{lines}\n{signed}\n{content}", target.method))
}

fn segments(path: &str, each: impl Fn(&str) -> String) -> String {
    path.split('/').map(each).collect::<Vec<_>>().join("/")
}

fn escaped(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&percent::encode(bytes)).into_owned()
}

fn trimmed(value: &[u8]) -> String {
    String::from_utf8_lossy(value).split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn query(query: &str) -> String {
    let again = |text: &str| escaped(&percent::decode_lenient(text.as_bytes()));
    let mut pairs: Vec<_> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (again(name), again(value))
        })
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}
