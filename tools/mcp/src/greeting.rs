//! The beginning of a conversation: the greeting, and the list of tools.

use hearth_domain::sandbox::{Ended, Fault};
use rmcp::model::{
    ClientCapabilities, ClientConfig, ClientRequest, ClientResult, ErrorCode, Implementation, ListToolsRequest, PaginatedRequestParams,
    ProtocolVersion, ServerNotification, ServerRequest, ServerResult, Tool,
};
use rmcp::service::{ClientInitializeError, NotificationContext, RequestContext, RunningService, Service, ServiceError, serve_client};
use rmcp::transport::Transport;
use rmcp::{ErrorData, RoleClient};

use crate::config::Server;
use crate::guard::{Guarded, Shared};
use crate::operations::{Listed, listed};

/// What the house calls itself towards a server.
const NAME: &str = "hearth";
/// What a server is told that wants something.
const REFUSAL: &str = "this client gives a server nothing but the arguments of its calls";
/// Most pages of a list.
const PAGES_MAX: usize = 16;
/// Most tools of a list.
const TOOLS_MAX: usize = 512;
/// How often a list that changes while it is read is read again.
const AGAIN_MAX: usize = 3;

/// The house as a client. It offers nothing, and has nothing to give to a server that asks all the same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct House;

impl Service<RoleClient> for House {
    async fn handle_request(&self, request: ServerRequest, _: RequestContext<RoleClient>) -> Result<ClientResult, ErrorData> {
        // Sampling, roots, elicitation, and whatever else there may be.
        let refused = || Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, REFUSAL, None));
        if matches!(request, ServerRequest::PingRequest(_)) { Ok(ClientResult::empty(())) } else { refused() }
    }

    /// None arrives: the guard takes them out.
    async fn handle_notification(&self, _: ServerNotification, _: NotificationContext<RoleClient>) -> Result<(), ErrorData> {
        Ok(())
    }

    fn get_info(&self) -> ClientConfig {
        let own = Implementation::new(NAME, env!("CARGO_PKG_VERSION"));
        ClientConfig::new(ClientCapabilities::default(), own).with_protocol_version(ProtocolVersion::LATEST_WITH_INITIALIZE)
    }
}

/// A server that can be called.
pub(crate) struct Up {
    pub(crate) service: RunningService<RoleClient, House>,
    pub(crate) listed: Listed,
}

/// Why a server cannot be called.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// For what it says of itself.
    Unfit(Fault),
    /// For what it said.
    Ended(Ended),
    /// It is gone.
    Gone,
}

fn protocol(what: &str) -> Refused {
    Refused::Ended(Ended::Protocol(what.to_owned()))
}

/// Greets a server and asks what it can do.
pub(crate) async fn greet<T>(transport: Guarded<T>, shared: &Shared, server: &Server) -> Result<Up, Refused>
where
    T: Transport<RoleClient> + 'static,
{
    let service = serve_client(House, transport).await.map_err(|error| not_greeted(&error))?;
    let info = service.peer().peer_info().ok_or(Refused::Unfit(Fault::Exports))?;
    let known = ProtocolVersion::KNOWN_VERSIONS.contains(&info.protocol_version) && info.protocol_version.has_initialize();
    if !known || info.capabilities.tools.is_none() {
        return Err(Refused::Unfit(Fault::Exports));
    }
    for _ in 0..AGAIN_MAX {
        let tools = tools(&service).await?;
        if shared.lock().tell() {
            let listed = listed(&server.name, &tools, &server.tools, &server.says).map_err(Refused::Unfit)?;
            return Ok(Up { service, listed });
        }
    }
    Err(protocol("its tools change all the time"))
}

fn not_greeted(error: &ClientInitializeError) -> Refused {
    if matches!(error, ClientInitializeError::JsonRpcError(_)) {
        return Refused::Unfit(Fault::Exports);
    }
    let gone = matches!(error, ClientInitializeError::ConnectionClosed(_) | ClientInitializeError::TransportError { .. });
    if gone { Refused::Gone } else { protocol("it does not answer a greeting as a server does") }
}

/// The list as it is now, past what the client remembers of it.
async fn tools(service: &RunningService<RoleClient, House>) -> Result<Vec<Tool>, Refused> {
    let mut tools = Vec::new();
    let mut cursor = None;
    for _ in 0..PAGES_MAX {
        let params = PaginatedRequestParams::default().with_cursor(cursor);
        let request = ClientRequest::ListToolsRequest(ListToolsRequest::with_param(params));
        let page = match service.peer().send_request(request).await {
            Ok(ServerResult::ListToolsResult(page)) => page,
            Ok(_) | Err(ServiceError::UnexpectedResponse) => return Err(protocol("its list of tools is none")),
            Err(ServiceError::McpError(_)) => return Err(Refused::Unfit(Fault::Exports)),
            Err(_) => return Err(Refused::Gone),
        };
        tools.extend(page.tools);
        cursor = page.next_cursor;
        if tools.len() > TOOLS_MAX {
            break;
        }
        if cursor.is_none() {
            return Ok(tools);
        }
    }
    tracing::warn!(target: "hearth::tools", "an MCP server lists more tools than are looked at and is not used");
    Err(Refused::Unfit(Fault::Malformed))
}
