//! `wasi:sockets`: there is no network, and trying to reach it is recorded.

use std::sync::Arc;

use sandpiper_core::DenialReason;
use sandpiper_kernel::World;
use wasmtime::Result;
use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode, IpAddress, IpAddressFamily, Network};
use wasmtime_wasi::p2::bindings::sockets::{ip_name_lookup, tcp_create_socket, udp_create_socket};
use wasmtime_wasi::p2::{DynPollable, SocketError, SocketResult, TcpSocket, UdpSocket};

use super::Command;
use crate::store::State;

pub(super) struct Sockets;

impl HasData for Sockets {
    type Data<'a> = View<'a>;
}

pub(super) struct View<'a>(&'a Arc<World>);

pub(super) fn view(state: &mut State<Command>) -> View<'_> {
    View(&state.guest.world)
}

impl View<'_> {
    fn refuse<T>(&self, operation: &str, subject: &str) -> SocketResult<T> {
        self.0.deny(operation, subject, DenialReason::Unsupported);
        Err(ErrorCode::AccessDenied.into())
    }
}

/// How the refusal is told.
impl network::Host for View<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> Result<ErrorCode> {
        error.downcast()
    }

    fn network_error_code(&mut self, _error: Resource<wasmtime::Error>) -> Result<Option<ErrorCode>> {
        Ok(None)
    }
}

impl network::HostNetwork for View<'_> {
    fn drop(&mut self, _network: Resource<Network>) -> Result<()> {
        Err(wasmtime::format_err!("networks are another view's"))
    }
}

impl tcp_create_socket::Host for View<'_> {
    fn create_tcp_socket(&mut self, _family: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        self.refuse("create-tcp-socket", "")
    }
}

impl udp_create_socket::Host for View<'_> {
    async fn create_udp_socket(&mut self, _family: IpAddressFamily) -> SocketResult<Resource<UdpSocket>> {
        self.refuse("create-udp-socket", "")
    }
}

type Addresses = ip_name_lookup::ResolveAddressStream;

impl ip_name_lookup::Host for View<'_> {
    fn resolve_addresses(
        &mut self,
        _network: Resource<Network>,
        name: String,
    ) -> SocketResult<Resource<Addresses>> {
        self.refuse("resolve-addresses", &name)
    }
}

/// Never called: nothing makes such a stream.
impl ip_name_lookup::HostResolveAddressStream for View<'_> {
    fn resolve_next_address(&mut self, _stream: Resource<Addresses>) -> SocketResult<Option<IpAddress>> {
        Err(SocketError::trap(no_stream()))
    }

    fn subscribe(&mut self, _stream: Resource<Addresses>) -> Result<Resource<DynPollable>> {
        Err(no_stream())
    }

    fn drop(&mut self, _stream: Resource<Addresses>) -> Result<()> {
        Err(no_stream())
    }
}

fn no_stream() -> wasmtime::Error {
    wasmtime::format_err!("no addresses are ever resolved")
}
