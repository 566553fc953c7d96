//! Certificates, after config-server's `certificate_generator.go`.
//!
//! Subject, validity, usages and alternative names are the same as config-server's. The keys are P-256 in PKCS#8, where
//! config-server makes RSA keys of 3072 bits, which take seconds; `key_length` is checked and then without effect.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType, SerialNumber, date_time_ymd,
};

use super::issuer::{Issuer, load};
use super::options::Options;
use crate::report::Report;
use crate::{Map, Value};

const KNOWN: [&str; 8] = [
    "common_name",
    "organization",
    "alternative_names",
    "is_ca",
    "ca",
    "extended_key_usage",
    "duration",
    "key_length",
];
const DAY: u64 = 24 * 60 * 60;
const DEFAULT_DAYS: u64 = 365;
/// A hundred years.
const MOST_DAYS: u64 = 36_525;

/// Makes a certificate and its key: `ca`, `certificate` and `private_key`. `issuer` finds the variable that `ca` names.
pub(super) fn generate<'v>(
    options: &Value,
    issuer: &dyn Fn(&str) -> Option<&'v Value>,
) -> Result<Value, Report> {
    let context = "Failed to generate certificate, parameters are invalid";
    let request = Request::read(options).map_err(|reason| reason.within(context))?;
    request.check_key_length()?;
    let key =
        KeyPair::generate().map_err(|error| Report::message(error).within("Generating Key"))?;
    let params = request.params()?;
    let (certificate, ca) = match &request.ca {
        Some(name) => {
            let (issuer, ca) =
                load(name, issuer(name)).map_err(|reason| reason.within("Loading certificates"))?;
            (sign(&params, &key, &issuer)?, ca)
        }
        None if request.is_ca => {
            let certificate = params
                .self_signed(&key)
                .map_err(|error| Report::message(error).within("Generating CA certificate"))?;
            let ca = certificate.pem();
            (certificate, ca)
        }
        None => return Err(Report::message("Missing required CA name")),
    };
    let entries = [
        ("ca", ca),
        ("certificate", certificate.pem()),
        ("private_key", key.serialize_pem()),
    ];
    Ok(Value::Map(
        entries
            .map(|(name, pem)| (Value::from(name), Value::from(pem)))
            .into_iter()
            .collect::<Map>(),
    ))
}

fn sign(params: &CertificateParams, key: &KeyPair, issuer: &Issuer) -> Result<Certificate, Report> {
    params
        .signed_by(key, issuer)
        .map_err(|error| Report::message(error).within("Generating certificate"))
}

/// What the options ask for.
#[derive(Debug)]
struct Request {
    common_name: Option<String>,
    organization: Option<String>,
    alternative_names: Vec<String>,
    is_ca: bool,
    ca: Option<String>,
    extended_key_usage: Vec<String>,
    days: i64,
    key_length: i64,
}

impl Request {
    fn read(options: &Value) -> Result<Self, Report> {
        let options = Options::new(options, &KNOWN)?;
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(Self {
            common_name: filled(options.text("common_name")?),
            organization: filled(options.text("organization")?),
            alternative_names: options.texts("alternative_names")?,
            is_ca: options.flag("is_ca")?,
            ca: filled(options.text("ca")?),
            extended_key_usage: options.texts("extended_key_usage")?,
            days: options.number("duration")?,
            key_length: options.number("key_length")?,
        })
    }

    fn check_key_length(&self) -> Result<(), Report> {
        match self.key_length {
            0 | 2048 | 3072 | 4096 => Ok(()),
            other => Err(Report::Message(format!(
                "Invalid key_length: {other}.  Must be one of: [2048 3072 4096]"
            ))),
        }
    }

    fn params(&self) -> Result<CertificateParams, Report> {
        let mut params = CertificateParams::default();
        params.distinguished_name = self.subject();
        params.serial_number = Some(serial_number()?);
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_err(Report::message)?;
        let days = u64::try_from(self.days)
            .ok()
            .filter(|days| *days > 0)
            .unwrap_or(DEFAULT_DAYS)
            .min(MOST_DAYS);
        params.not_before = date_time_ymd(1970, 1, 1) + Duration::from_secs(now.as_secs());
        params.not_after = params.not_before + Duration::from_secs(days * DAY);
        params.use_authority_key_identifier_extension = true;
        if self.is_ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            return Ok(params);
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        params.extended_key_usages = self.extended_key_usages()?;
        params.subject_alt_names = self
            .alternative_names
            .iter()
            .map(|name| alternative_name(name))
            .collect::<Result<_, _>>()?;
        Ok(params)
    }

    fn subject(&self) -> DistinguishedName {
        let mut subject = DistinguishedName::new();
        subject.push(DnType::CountryName, "US");
        subject.push(
            DnType::OrganizationName,
            self.organization.as_deref().unwrap_or("Cloud Foundry"),
        );
        if let Some(name) = &self.common_name {
            subject.push(DnType::CommonName, name.as_str());
        }
        subject
    }

    fn extended_key_usages(&self) -> Result<Vec<ExtendedKeyUsagePurpose>, Report> {
        if self.extended_key_usage.is_empty() {
            return Ok(vec![ExtendedKeyUsagePurpose::ServerAuth]);
        }
        let usage = |name: &String| match name.as_str() {
            "client_auth" => Ok(ExtendedKeyUsagePurpose::ClientAuth),
            "server_auth" => Ok(ExtendedKeyUsagePurpose::ServerAuth),
            other => Err(Report::Message(format!(
                "Unsupported extended key usage value: {other}"
            ))),
        };
        self.extended_key_usage.iter().map(usage).collect()
    }
}

fn alternative_name(name: &str) -> Result<SanType, Report> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    match name.try_into() {
        Ok(name) => Ok(SanType::DnsName(name)),
        Err(_) => Err(Report::Message(format!(
            "alternative name '{name}' is neither an address nor a DNS name in ASCII"
        ))),
    }
}

/// 127 random bits: positive, and no longer than RFC 5280 allows.
fn serial_number() -> Result<SerialNumber, Report> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Report::Message(format!("no random bytes to be had: {error}")))?;
    bytes[0] &= 0x7f;
    Ok(SerialNumber::from_slice(&bytes))
}
