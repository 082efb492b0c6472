//! A node's subscriptions over a websocket, `ws://` or `wss://`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;

use crate::edge::ingest::Config;
use crate::edge::ingest::Source;
use crate::edge::ingest::SourceError;
use crate::edge::ingest::inlet::Inlet;
use crate::edge::ingest::node::Patience;
use crate::edge::ingest::node::link::Link;
use crate::edge::ingest::node::session;

/// One node.
pub struct NodeWs {
    url: String,
    patience: Patience,
}

impl NodeWs {
    /// Nothing is dialled yet.
    #[must_use]
    pub fn new(url: String, config: &Config) -> Self {
        Self { url, patience: Patience::of(config) }
    }
}

impl Source for NodeWs {
    const NAME: &'static str = "node_ws";

    async fn run(&self, out: Inlet) -> Result<(), SourceError> {
        // Nagle's algorithm off: a subscription's request is one small packet.
        let request = request(&self.url).map_err(|error| SourceError::Link(error.to_string()))?;
        let dial = connect_async_with_config(request, None, true);
        let late = |_| SourceError::Link(format!("no connection within {:?}", self.patience.connect));
        let dialled = tokio::time::timeout(self.patience.connect, dial).await.map_err(late)?;
        let (socket, _) = dialled.map_err(|error| SourceError::Link(error.to_string()))?;
        session(Link::Ws(Box::new(socket)), out, self.patience).await
    }
}

/// The request for a connection, with user and password where the URL has them (RFC 7617).
fn request(url: &str) -> Result<Request, tungstenite::Error> {
    let mut request = url.into_client_request()?;
    let Ok(parsed) = reqwest::Url::parse(url) else { return Ok(request) };
    if !parsed.username().is_empty() || parsed.password().is_some() {
        let [user, password] = [parsed.username(), parsed.password().unwrap_or_default()]
            .map(|text| percent_decode_str(text).collect::<Vec<u8>>());
        let pair = STANDARD.encode([user, password].join(&b':'));
        let mut value = HeaderValue::from_str(&format!("Basic {pair}")).map_err(tungstenite::http::Error::from)?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::{AUTHORIZATION, request};

    #[test]
    fn user_and_password_of_a_url_are_said_and_nothing_where_there_are_none() {
        let said = |url: &str| {
            let request = request(url).expect("a url");
            request.headers().get(AUTHORIZATION).map(|value| value.to_str().expect("text").to_owned())
        };
        // RFC 7617's own example, and one of whom the URL has to escape letters.
        assert_eq!(
            said("ws://Aladdin:open%20sesame@node:8546/x").as_deref(),
            Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
        );
        assert_eq!(said("wss://a%40b:c%3Ad@node").as_deref(), Some("Basic YUBiOmM6ZA=="));
        assert_eq!(said("ws://key@node").as_deref(), Some("Basic a2V5Og=="));
        assert_eq!(said("ws://node:8546"), None);
    }
}
