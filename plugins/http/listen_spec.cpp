// What HttpListen declares of itself.
#include "listen.h"

namespace weir::http {

const Fields<ListenTlsSettings>& ListenTlsSettings::fields() {
  static const auto fields =
      Fields<ListenTlsSettings>{}
          .property("cert", &ListenTlsSettings::cert,
                    {.help = "PEM file of the server's certificate, its chain after it.",
                     .example = "certs/weir.pem",
                     .required = true})
          .property("key", &ListenTlsSettings::key,
                    {.help = "PEM file of the server's private key.", .example = "certs/weir.key", .required = true})
          .property("client_ca", &ListenTlsSettings::client_ca,
                    {.help = "PEM file of authorities: clients have to show a certificate that one of them signed.",
                     .example = "certs/clients.pem"});
  return fields;
}

namespace {

Spec<ListenSettings> make_spec() {
  Spec<ListenSettings> spec("HttpListen", "Takes data at an HTTP endpoint.");
  spec.description(
      "Each request's body becomes a FlowFile. **200 means durable**: the client is answered when the epoch that holds "
      "its data is on disk, so that nothing answered 200 is lost, by whatever crash. A client that gets another status "
      "or none sends it again, and it may then arrive twice. The epoch that an answer waits for comes within "
      "milliseconds, and all requests that wait at that moment share it: whoever has much to send sends several at "
      "once, or many records in each.\n\n"
      "**When the flow is behind**, at most `max_pending` requests (or `max_pending_bytes`) wait, each for `max_wait`; "
      "the others get 429 with Retry-After, before their body is read. Other statuses: 400 no HTTP or broken gzip, 401 "
      "`auth`, 404 another path, 405 another method, 413 larger than `max_body`, 415 another Content-Encoding than "
      "gzip, 431 larger than `max_header`, 503 shutting down or more than `max_connections`. A client that takes "
      "longer "
      "than `timeout` for its request, or to read its answer, is hung up on.\n\n"
      "Without `auth` or `tls.client_ca` it listens on loopback addresses only, unless `allow_anonymous_network` says "
      "otherwise. A listener never ends by itself; for batch runs, `end_after_idle` ends it.");
  spec.example("listen: 127.0.0.1:8088\npath: /readings\nauth: {bearer: \"${env:INGEST_TOKEN:-change-me}\"}\n");
  spec.property(
          "listen", &ListenSettings::listen,
          {.help = "HOST:PORT to listen on; port 0 is any free one.", .example = "127.0.0.1:8088", .required = true})
      .property("path", &ListenSettings::path,
                {.help = "The path that takes data; with `/*` at its end, all below it.", .example = "/sensors/*"})
      .property("methods", &ListenSettings::methods,
                {.help = "The methods that are taken; by default POST and PUT.", .example = "[POST]"})
      .property("auth", &ListenSettings::auth,
                {.help = "What a client has to show: `user` and `password` (basic), or a `bearer` token."})
      .property("allow_anonymous_network", &ListenSettings::allow_anonymous_network,
                {.help = "Lets anyone who reaches an address beyond loopback put data into the flow."})
      .property("tls", &ListenSettings::tls, {.help = "Speak HTTPS, TLS 1.2 or newer."})
      .property("headers", &ListenSettings::headers,
                {.help = "Headers to keep as attributes `http.header.NAME` (in lower case); `*` is all but those with "
                         "credentials.",
                 .example = "[X-Device]"})
      .property("timeout", &ListenSettings::timeout,
                {.help = "Longest time for a client to send a request, to take its answer, and between two.",
                 .min = 1e7,
                 .max = 3600e9})
      .property("max_wait", &ListenSettings::max_wait,
                {.help = "A request that the flow does not take up within this time is answered 429.",
                 .min = 1e6,
                 .max = 3600e9})
      .property("max_header", &ListenSettings::max_header,
                {.help = "Largest header of a request.", .unit = Unit::bytes, .min = 256, .max = 1048576})
      .property("max_body", &ListenSettings::max_body,
                {.help = "Largest body of a request, unpacked.", .unit = Unit::bytes, .min = 1})
      .property("max_connections", &ListenSettings::max_connections,
                {.help = "Most connections at once; more are answered 503.", .min = 1, .max = 100000})
      .property("max_pending", &ListenSettings::max_pending,
                {.help = "Most requests that are read or wait for the flow at once.", .min = 1, .max = 1000000})
      .property("max_pending_bytes", &ListenSettings::max_pending_bytes,
                {.help = "Most bytes of them, unpacked. One request alone may be larger, up to max_body.",
                 .unit = Unit::bytes,
                 .min = 1})
      .property("end_after_idle", &ListenSettings::end_after_idle,
                {.help = "The source ends when no request has come for this long: for batch runs (--until-idle). By "
                         "default it never ends.",
                 .example = "5s",
                 .above = 0});
  spec.relationship({"success", "The bodies of the requests."})
      .writes("http.path", "The path, as it was sent.")
      .writes("http.method", "The method.")
      .writes("http.query", "What stood behind the question mark.")
      .writes("http.remote", "The client's address.")
      .writes("http.header.<name>", "The headers that `headers` names.")
      .writes("mime.type", "The content type, without its parameters.")
      .state("A count of its sessions.")
      .source()
      .awaited();
  return spec;
}

}  // namespace

const Spec<ListenSettings> listen_spec = make_spec();

}  // namespace weir::http
