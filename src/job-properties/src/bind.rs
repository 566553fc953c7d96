//! Property `bind`: a TCP socket beside the UNIX socket.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde_json::Value;

use super::tls::TlsMaterial;
use super::values::kind;
use bosh_job::Problem;

/// A TCP socket on which dockerd listens, and who may use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Address and port.
    pub address: SocketAddr,
    /// Who may use it.
    pub access: TcpAccess,
}

/// Who may use the TCP socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TcpAccess {
    /// Clients with a certificate of the authority.
    MutualTls(TlsMaterial),
    /// Anyone who reaches it: the operator has waived TLS.
    Anybody,
}

/// The address that `bind` asks for. A bare port listens on all IPv4 addresses, as it always did.
pub(super) fn address(value: &Value) -> Result<Option<SocketAddr>, Problem> {
    let wrong = |shown: &str| {
        Problem::new(
            "bind",
            format!(
                "must be a port from 1 to 65535, or address:port with an IP address, and is {shown}"
            ),
        )
        .hint("for example `bind: 2376`, `bind: 10.0.0.4:2376` or `bind: \"[fd00::4]:2376\"`")
    };
    let address = match value {
        Value::Null => return Ok(None),
        Value::Number(number) => {
            let port = number.as_u64().and_then(|port| u16::try_from(port).ok());
            on_all_addresses(port.ok_or_else(|| wrong(&number.to_string()))?)
        }
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        Value::String(text) => {
            let port = text.parse::<u16>().ok().map(on_all_addresses);
            port.or_else(|| text.parse().ok())
                .ok_or_else(|| wrong(&format!("{text:?}")))?
        }
        other => return Err(wrong(kind(other))),
    };
    if address.port() == 0 {
        return Err(wrong("port 0"));
    }
    Ok(Some(address))
}

fn on_all_addresses(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)
}

/// Puts the address together with what guards it. An open Docker socket is root for anyone who connects, so nobody gets
/// one without saying so.
pub(super) fn listen(
    address: SocketAddr,
    material: Option<TlsMaterial>,
    waived: bool,
) -> Result<Listen, Problem> {
    let access = match (material, waived) {
        (Some(material), false) => TcpAccess::MutualTls(material),
        (None, true) => TcpAccess::Anybody,
        (None, false) => {
            return Err(Problem::new("bind", "is set without TLS, so anyone who reaches the port would be root on the VM").hint(
                "apply operations/enable-tls.yml, which has BOSH generate `tls_cacert`, `tls_cert` and `tls_key`; \
                 or waive it with `bind_without_tls: true` where the network alone guards the port",
            ));
        }
        (Some(_), true) => {
            return Err(Problem::new(
                "bind_without_tls",
                "is true, while `tls_cacert`, `tls_cert` and `tls_key` are set",
            )
            .hint("remove one or the other: they contradict each other"));
        }
    };
    Ok(Listen { address, access })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::with;
    use super::*;

    #[test]
    fn takes_a_port_or_an_address_with_a_port() {
        for (value, expected) in [
            (json!(5001), "0.0.0.0:5001"),
            (json!("5001"), "0.0.0.0:5001"),
            (json!("10.0.0.4:5001"), "10.0.0.4:5001"),
            (json!("[fd00::4]:5001"), "[fd00::4]:5001"),
        ] {
            assert_eq!(
                address(&value).unwrap(),
                Some(expected.parse().unwrap()),
                "{value}"
            );
        }
        assert_eq!(address(&Value::Null).unwrap(), None);
        assert_eq!(address(&json!("")).unwrap(), None);
    }

    #[test]
    fn refuses_what_is_no_address() {
        for value in [
            json!(0),
            json!(65536),
            json!(-1),
            json!(1.5),
            json!("0"),
            json!("localhost:5001"),
            json!(":5001"),
            json!("fd00::4:5001"),
            json!("tcp://0.0.0.0:5001"),
            json!([5001]),
            json!(true),
        ] {
            assert_eq!(address(&value).unwrap_err().property, "bind", "{value}");
        }
    }

    #[test]
    fn bind_alone_is_refused_with_both_ways_on() {
        let problems = with(&[("bind", json!(5001))]).daemon().unwrap_err();
        let hint = problems.iter().next().unwrap().hint.clone().unwrap();
        assert!(
            hint.contains("operations/enable-tls.yml") && hint.contains("bind_without_tls: true"),
            "{hint}"
        );
    }

    #[test]
    fn the_waiver_opens_the_port_to_anybody() {
        let daemon = with(&[("bind", json!(5001)), ("bind_without_tls", json!(true))])
            .daemon()
            .unwrap();
        assert_eq!(daemon.listen.unwrap().access, TcpAccess::Anybody);
    }

    #[test]
    fn the_waiver_contradicts_tls_material() {
        let cert = json!("-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n");
        let key = json!("-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----\n");
        let all = [
            ("bind", json!(1)),
            ("bind_without_tls", json!(true)),
            ("tls_cacert", cert.clone()),
            ("tls_cert", cert),
            ("tls_key", key),
        ];
        assert_eq!(
            with(&all)
                .daemon()
                .unwrap_err()
                .iter()
                .next()
                .unwrap()
                .property,
            "bind_without_tls"
        );
        let mutual: Vec<_> = all
            .into_iter()
            .filter(|(name, _)| *name != "bind_without_tls")
            .collect();
        assert!(matches!(
            with(&mutual).daemon().unwrap().listen.unwrap().access,
            TcpAccess::MutualTls(_)
        ));
    }
}
