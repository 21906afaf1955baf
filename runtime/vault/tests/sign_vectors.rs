//! Signatures against published vectors.

#![expect(clippy::unwrap_used, reason = "a test: a failure is the message")]

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hearth_domain::secret::SecretName;
use hearth_vault::policy::target::Target;
use hearth_vault::sign::aws::AwsSpec;
use hearth_vault::sign::jwt::{self, Algorithm, JwtSpec};
use hearth_vault::sign::oauth1::{OAuth1Spec, Token};
use hearth_vault::sign::webhook::{Encoding, Hash, HmacSpec};
use hearth_vault::sign::{Moment, SignError, SignOrder, SignSpec, ToSign, sign};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair,
    UnparsedPublicKey,
};
use secrecy::SecretSlice;

type Keys = BTreeMap<SecretName, SecretSlice<u8>>;

fn name(text: &str) -> SecretName {
    SecretName::new(text).unwrap()
}

fn keys(pairs: &[(&str, &[u8])]) -> Keys {
    pairs.iter().map(|(name, key)| (self::name(name), SecretSlice::from(key.to_vec()))).collect()
}

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

struct Request<'a> {
    target: &'a str,
    headers: &'a [(&'static str, &'static str)],
    body: Option<&'a [u8]>,
    second: i64,
    nonce: &'a str,
}

impl Request<'_> {
    fn signed(&self, spec: SignSpec, keys: &Keys) -> Result<BTreeMap<String, String>, SignError> {
        let target: Target = self.target.parse().unwrap();
        let random = SystemRandom::new();
        let moment = Moment { now: jiff::Timestamp::from_second(self.second).unwrap(), nonce: self.nonce, random: &random };
        let headers = headers(self.headers);
        let order = SignOrder { secret: name("key"), spec };
        assert_eq!(SignOrder::parse(&order.text().unwrap()), Ok(order.clone()));
        let to_sign = ToSign { target: &target, headers: &headers, body: self.body };
        let signed = sign(&order, keys, &to_sign, &moment)?;
        Ok(signed.into_iter().map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect())
    }
}

const BARE: Request<'_> =
    Request { target: "GET https://example.amazonaws.com/", headers: &[], body: Some(b""), second: 1_440_938_160, nonce: "n" };

fn aws(access_key_id: &str, service: &str) -> SignSpec {
    SignSpec::AwsV4(AwsSpec { access_key_id: access_key_id.to_owned(), region: "us-east-1".to_owned(), service: service.to_owned() })
}

#[test]
fn aws_signatures_are_those_of_the_published_suite() {
    const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
    let keys = keys(&[("key", b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")]);
    let table = [
        // get-vanilla, get-vanilla-query-order-key-case, post-vanilla, post-x-www-form-urlencoded
        (Request { ..BARE }, "service", "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        (
            Request { target: "GET https://example.amazonaws.com/?Param2=value2&Param1=value1", ..BARE },
            "service",
            "host;x-amz-date",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            Request { target: "POST https://example.amazonaws.com/", ..BARE },
            "service",
            "host;x-amz-date",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            Request { target: "POST https://example.amazonaws.com/", headers: &[FORM], body: Some(b"Param1=value1"), ..BARE },
            "service",
            "content-type;host;x-amz-date",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
        // The worked example of the specification.
        (
            Request {
                target: "GET https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08",
                headers: &[("content-type", "application/x-www-form-urlencoded; charset=utf-8")],
                ..BARE
            },
            "iam",
            "content-type;host;x-amz-date",
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        ),
    ];
    for (request, service, signed_headers, signature) in table {
        let signed = request.signed(aws("AKIDEXAMPLE", service), &keys).unwrap();
        assert_eq!(signed["x-amz-date"], "20150830T123600Z");
        let expected = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/{service}/aws4_request, SignedHeaders={signed_headers}, Signature={signature}"
        );
        assert_eq!(signed["authorization"], expected, "{}", request.target);
    }
}

#[test]
fn an_object_of_s3_is_signed_as_in_its_documentation() {
    let keys = keys(&[("key", b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")]);
    let request = Request {
        target: "GET https://examplebucket.s3.amazonaws.com/test.txt",
        headers: &[("range", "bytes=0-9"), ("user-agent", "not signed"), ("x-amz-date", "19700101T000000Z")],
        second: 1_369_353_600,
        ..BARE
    };
    let signed = request.signed(aws("AKIAIOSFODNN7EXAMPLE", "s3"), &keys).unwrap();
    assert_eq!(signed["x-amz-content-sha256"], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert!(signed["authorization"].contains("SignedHeaders=host;range;x-amz-content-sha256;x-amz-date"));
    assert!(signed["authorization"].ends_with("Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"));
    let streamed = Request { body: None, ..request };
    assert_eq!(streamed.signed(aws("A", "s3"), &keys).unwrap()["x-amz-content-sha256"], "UNSIGNED-PAYLOAD");
    assert_eq!(streamed.signed(aws("A", "sqs"), &keys), Err(SignError::NeedsBody));
    assert_eq!(streamed.signed(aws("A\r\nB", "s3"), &keys), Err(SignError::Field));
}

fn oauth1(consumer: &str, token: Option<&str>, more: &[(&str, &str)]) -> SignSpec {
    SignSpec::OAuth1(OAuth1Spec {
        consumer_key: consumer.to_owned(),
        token: token.map(|token| Token { token: token.to_owned(), secret: name("token") }),
        more: more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    })
}

#[test]
fn oauth1_signatures_are_those_of_the_rfc() {
    // RFC 5849 section 1.2: the token request, and the request for the picture.
    let token = Request { target: "POST https://photos.example.net/token", second: 137_131_201, nonce: "walatlh", ..BARE };
    let spec = oauth1("dpf43f3p2l4k3l03", Some("hh5s93j4hdidpola"), &[("oauth_verifier", "hfdp7dh39dks9884")]);
    let signed = token.signed(spec, &keys(&[("key", b"kd94hf93k423kf44"), ("token", b"hdhd0244k9j7ao03")])).unwrap();
    assert!(signed["authorization"].contains("oauth_signature=\"gKgrFCywp7rO0OXSjdot%2FIHF7IU%3D\""), "{signed:?}");
    let picture = Request {
        target: "GET http://photos.example.net/photos?file=vacation.jpg&size=original",
        second: 137_131_202,
        nonce: "chapoH",
        ..BARE
    };
    let spec = oauth1("dpf43f3p2l4k3l03", Some("nnch734d00sl2jdk"), &[]);
    let signed = picture.signed(spec, &keys(&[("key", b"kd94hf93k423kf44"), ("token", b"pfkkdhi9sl3r4s00")])).unwrap();
    assert!(signed["authorization"].contains("oauth_signature=\"MdpQcU8iPSUjWoN%2FUDMsK2sui9I%3D\""), "{signed:?}");
}

#[test]
fn oauth1_covers_the_fields_of_a_form() {
    // The worked example of a well-known service's documentation.
    let request = Request {
        target: "POST https://api.twitter.com/1.1/statuses/update.json?include_entities=true",
        headers: &[("content-type", "application/x-www-form-urlencoded; charset=utf-8")],
        body: Some(b"status=Hello%20Ladies%20%2b%20Gentlemen%2c%20a%20signed%20OAuth%20request%21"),
        second: 1_318_622_958,
        nonce: "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg",
    };
    let token = "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb";
    let keys = keys(&[("key", b"kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw"), ("token", b"LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE")]);
    let spec = || oauth1("xvz1evFS4wEEPTGEFPHBog", Some(token), &[("oauth_version", "1.0")]);
    let signed = request.signed(spec(), &keys).unwrap();
    assert!(signed["authorization"].contains("oauth_signature=\"hCtSmYh%2BiHYCEqBWrE7C7hYmtUk%3D\""), "{signed:?}");
    assert_eq!(Request { body: None, ..request }.signed(spec(), &keys), Err(SignError::NeedsBody));
    assert_eq!(request.signed(oauth1("a", None, &[("oauth_nonce", "x")]), &keys), Err(SignError::Field));
    assert_eq!(request.signed(spec(), &self::keys(&[("key", b"a")])), Err(SignError::Unknown));
}

fn hmac(hash: Hash, text: &str, over: &str) -> HmacSpec {
    HmacSpec {
        hash,
        encoding: Encoding::Hex,
        header: "x-signature".to_owned(),
        text: text.to_owned(),
        over: over.to_owned(),
        timestamp_header: None,
    }
}

#[test]
fn digests_are_those_of_the_rfcs_and_of_known_services() {
    let of = |spec: HmacSpec, key: &[u8], body: &[u8], second| {
        Request { target: "POST https://a.com/hook?x=1", body: Some(body), second, ..BARE }
            .signed(SignSpec::Hmac(spec), &keys(&[("key", key)]))
    };
    let said = b"what do ya want for nothing?";
    // RFC 4231 and RFC 2202, test case 2 of each.
    assert_eq!(
        of(hmac(Hash::Sha256, "{digest}", "{body}"), b"Jefe", said, 0).unwrap()["x-signature"],
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    );
    assert_eq!(
        of(hmac(Hash::Sha1, "{digest}", "{body}"), b"Jefe", said, 0).unwrap()["x-signature"],
        "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"
    );
    assert_eq!(
        of(hmac(Hash::Sha256, "sha256={digest}", "{body}"), b"It's a Secret to Everybody", b"Hello, World!", 0).unwrap()["x-signature"],
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    );
    let slack = HmacSpec { timestamp_header: Some("x-timestamp".to_owned()), ..hmac(Hash::Sha256, "v0={digest}", "v0:{timestamp}:{body}") };
    let body = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let signed = of(slack, b"8f742231b10e8888abcd99yyyzzz85a5", body, 1_531_420_618).unwrap();
    assert_eq!(signed["x-signature"], "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503");
    assert_eq!(signed["x-timestamp"], "1531420618");
    assert_eq!(of(hmac(Hash::Sha256, "{digest}", "{other}"), b"k", b"", 0), Err(SignError::Order));
    assert_eq!(of(hmac(Hash::Sha256, "a\nb{digest}", ""), b"k", b"", 0), Err(SignError::Field));
    assert_eq!(of(HmacSpec { header: "host".to_owned(), ..hmac(Hash::Sha256, "{digest}", "") }, b"k", b"", 0), Err(SignError::Field));
    assert_eq!(of(hmac(Hash::Sha256, "{digest}", ""), b"", b"", 0), Err(SignError::Key));
}

#[test]
fn an_ed25519_token_is_that_of_rfc_8037() {
    let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
    let key = [hex::decode("302e020100300506032b657004220420").unwrap(), seed].concat();
    let input = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let expected = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let signature =
        |key: &[u8]| jwt::signature(Algorithm::EdDsa, key, input, &SystemRandom::new()).map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
    assert_eq!(signature(&key).as_deref(), Ok(expected));
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(&key));
    assert_eq!(signature(pem.as_bytes()).as_deref(), Ok(expected));
    for bad in [&key[1..], b"", b"-----BEGIN PRIVATE KEY-----", b"-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----"] {
        assert_eq!(signature(bad), Err(SignError::Key));
    }
}

#[test]
fn the_es256_signature_of_rfc_7515_verifies_and_so_do_ours() {
    let part = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let (x, y) = (part("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"), part("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"));
    let public = [vec![4], x, y].concat();
    let input = b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let theirs = part("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q");
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &public).verify(input, &theirs).unwrap();
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random).unwrap();
    let ours = jwt::signature(Algorithm::Es256, key.as_ref(), input, &random).unwrap();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref()).verify(input, &ours).unwrap();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &public).verify(input, &ours).unwrap_err();
    assert_ne!(ours, jwt::signature(Algorithm::Es256, key.as_ref(), input, &random).unwrap());
}

/// Made for this test and used for nothing else.
const RSA: &str = "-----BEGIN RSA PRIVATE KEY-----
MIIEpQIBAAKCAQEA1AiRP+Zm3zlLbmhrNrjXv29tuRXTEl4TbyIYvYvcc9aXIMSB
IZ1PUERJmAdL7yBLiDa0J2bTrSq3V1yEuJFi3nsf1R/3AFb2GGckncRlDFxzAG30
n6xuKgUL+zwBvAf2sJqrrXs01umliKLjiyu03RPo7YTbPhON6sqNsGziww7IE3t8
LU7nfj8Q2mgM2JPYuKWc8M9rTqVuhoTN0y+4DaezIRlTC33GyvNRKAi+7FyDnn+o
XScc3+n1sK+qYWdz2V08cJIxxIMinwmbePx6gGgyuKgHFlqVBal3wWR5thCtcp+l
x03HDyBeAN2kEcpsURqMTkbdkctlybu/IIaTfwIDAQABAoIBAEwCVDtxd2A/NES8
hu6jfagBJHbMlZFIizP0J6VPTXRzMVMMTnRD5cpS6ITo3LY4wArw/U0AphI2NWpK
XsOhTq2NusAWiN+kzOy7kNtDq6uuOoWlZSOWVxmWHJDwFnkW676se62hdLQ0JuSf
6+0YemokOIRo84VB0kagXQGpTvL4Ivop1r/6E9bPWF3XWoHOpCFpwjn2DZgx3JQR
kaK/jyEQcf1ls9gAcRgTnjOu5L0NqNLBYKitp+cHGSURd4+6Jt4X7MyuF3hTcKSt
aNmPGYT88AsrizfOaeNeQSSDfXM6y+dKIHJyHGTT8M9qlPOpYAit3lmGMgpnDmQs
WJJWoYUCgYEA7gVllNlwMHqPMjYb/AddZKhMXXws7j5UKFdpCrS/+Qy8MP1RczK3
q4yYS1iawOG5YHFHrXElJl612vlEbQ2BezNntUtR3NhX/SfqEkZzZK0d4ME4qZVz
kdorMxu6r5XUQYQ8kZ3gAqausbcOsdmafT/ikb6yi+vsXCjcXHi3xR0CgYEA5Aym
MqAWndr1dYfl6riKhuoY4qm28N7Utjfu4HGXjuu91aRyMm+A+4uKHs8u9i4iVy/r
OaidMKLfxgEW/agWvPWVQeFDUNZSX+LmtEnZcQ0NxzUp2fYF/UhbWvBPJXWG1rTT
Qy95zIE9ui15Dg7Gx3wSdLUzEj1HZDWodrQK5EsCgYEA39prguZMwQtDCXIiN5Gl
oDk4OOPETfyIobgzrkH4Gn6Dr39Ozwzv+IMt6A7Y3HZuJenkA5bZ3ZBNcDfmxrlh
AUGDU9oWj6FYf1q+pZlkhVbbNroCVFueaZnJ7zMxDFnZWhTH8huMxnGE8ta7F0EU
Lp+asn+q5DVqAfLb7IwMKXECgYEAyn6U4OUX0AlJ5ZfLRxWgI9YgTLvoLo+ej0Kx
QOh8bDLVuKuxnyk1fabU+TB9AanLYmGxW9xl33bwfnAfSxMDRbxHUV1FmbUFJhFj
S3k7s8+kiVuikuCLRvEF9YTmslteZK3h3Yl9fGLSPcv87seeKCn6dVkkRTDWgJvI
v8Z02WsCgYEAh9P17U4/XRQbv8N9OkXiddJ+Ha+64dwUzh1IEcC3JObwclsduhRR
mHNj84BmWsiKbnpV8N0clasHF2WlEawFEdj/HFlLHkZbJsKuv+K54p6xaZA/R7em
jvZeVaWb/BXTH1xo49Wqb4euhP6wTKvWRhnJUvXezng72XGG3zVvXos=
-----END RSA PRIVATE KEY-----";
/// What another implementation signs `what is signed` with it.
const RSA_SIGNATURE: &str = "GZCQAw1M3Wk/jcUoQetOa4TKPkmMpceecg9AH32ckD0vx+JA7CZ3a6Bf51V4EdQ3HiGJQzV4R4iZYnfhGeLxTcdgjK2zKnhuWLiy69/9C145/CNxsODRNDzX48Pq6DZjPu/z10PWt+X31tjvOvIUyNb92dgN0IEORz1NQSNIcs/QWymUZk9gBbykDXNpa2odtDu6R2oevpv+aumrOT4LM+MeMULWGInGYY0jAQD4f70sqPaUWq3lnAAv1YyAzmGnWho1u7ebKkPk8xl1yt4BmWK3qPlVwrEFCWThRJnA1w9rAktGTJYFMuZDoneXwLVRFo03mTMo4tGr0Ckf1ijDDg==";

#[test]
fn an_rs256_signature_is_that_of_another_implementation() {
    let der = STANDARD.decode(RSA.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap();
    let sign = |key: &[u8]| jwt::signature(Algorithm::Rs256, key, b"what is signed", &SystemRandom::new());
    let expected = STANDARD.decode(RSA_SIGNATURE).unwrap();
    assert_eq!(sign(RSA.as_bytes()).unwrap(), expected);
    let public = RsaKeyPair::from_der(&der).unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public.public().as_ref()).verify(b"what is signed", &expected).unwrap();
    // The same key in PKCS#8 (RFC 5208).
    let length = |size: usize| [&[0x82u8][..], &u16::try_from(size).unwrap().to_be_bytes()].concat();
    let inner = [&[4u8][..], &length(der.len()), &der].concat();
    let body = [hex::decode("020100300d06092a864886f70d0101010500").unwrap(), inner].concat();
    let pkcs8 = [&[0x30u8][..], &length(body.len()), &body].concat();
    assert_eq!(sign(&pkcs8).unwrap(), expected);
    assert_eq!(jwt::signature(Algorithm::Es256, RSA.as_bytes(), b"", &SystemRandom::new()), Err(SignError::Key));
}

#[test]
fn a_token_says_who_asks_and_for_how_long() {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
    let spec = JwtSpec {
        algorithm: Algorithm::Es256,
        issuer: "app \"1\"".to_owned(),
        subject: None,
        audience: Some("https://auth.example/token".to_owned()),
        scope: None,
        key_id: Some("k1".to_owned()),
        life_s: 600,
    };
    let keys = keys(&[("key", pkcs8.as_ref())]);
    let signed = BARE.signed(SignSpec::Jwt(spec.clone()), &keys).unwrap();
    let token = signed["authorization"].strip_prefix("Bearer ").unwrap();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref()).verify(input.as_bytes(), &signature).unwrap();
    let parts: Vec<serde_json::Value> =
        input.split('.').map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()).collect();
    assert_eq!(parts[0], serde_json::json!({"alg": "ES256", "typ": "JWT", "kid": "k1"}));
    let at = 1_440_938_160 - 30;
    let claims = serde_json::json!({"iss": "app \"1\"", "iat": at, "exp": at + 600, "jti": "n", "aud": "https://auth.example/token"});
    assert_eq!(parts[1], claims);
    for life_s in [0, 3601] {
        assert_eq!(BARE.signed(SignSpec::Jwt(JwtSpec { life_s, ..spec.clone() }), &keys), Err(SignError::Order));
    }
}

#[test]
fn an_order_names_every_key_that_it_uses() {
    let order = SignOrder { secret: name("key"), spec: oauth1("c", Some("t"), &[]) };
    assert_eq!(order.secrets(), [&name("key"), &name("token")]);
    assert!(order.needs_body());
    let text = r#"key {"kind":"aws_v4","access_key_id":"A","region":"r","service":"s3"}"#;
    assert!(!SignOrder::parse(text).unwrap().needs_body());
    let bad = [
        "",
        "key",
        "KEY {}",
        "key {}",
        "key {\"kind\":\"md5\"}",
        r#"key {"kind":"aws_v4","access_key_id":"A","region":"r","service":"s3","more":1}"#,
        r#"key {"kind":"aws_v4","access_key_id":"A","region":"r"}"#,
    ];
    for text in bad {
        assert_eq!(SignOrder::parse(text), Err(SignError::Order), "{text}");
    }
}

proptest! {
    #[test]
    fn no_order_and_no_key_make_it_panic(order in "\\PC{0,80}", json in "[\\PC]{0,60}", key in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = SignOrder::parse(&order);
        let _ = SignOrder::parse(&format!("key {{\"kind\":\"hmac\",{json}}}"));
        for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
            let _ = jwt::signature(algorithm, &key, b"", &SystemRandom::new());
        }
        let _ = BARE.signed(SignSpec::Hmac(hmac(Hash::Sha256, &order, &json)), &keys(&[("key", &key)]));
    }
}
