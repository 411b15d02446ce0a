// What HttpSink declares of itself.
#include "sink.h"

namespace weir::http {
namespace {

Spec<SinkSettings> make_spec() {
  Spec<SinkSettings> spec("HttpSink", "Sends FlowFiles or their records to an HTTP server.");
  spec.description(
      "A FlowFile is held until the server has answered for all of it with a success, and sent again if it is not: "
      "nothing is lost, and the server may get a request twice.\n\n"
      "**Exactly once**, with a server that knows idempotency keys: with `delivery: exactly_once` only what is durable "
      "is sent, and each request carries the same key in the header `idempotency_header` whenever it is sent: the data "
      "directory's id, the connection, the FlowFile's number and, by records, the first and last record's. The server "
      "has to remember keys for as long as Weir may be down. Requests that are under way while "
      "`batch`, `max_body`, `url`, `headers` or `key` are changed may be put together in another way, and get other "
      "keys. A data directory that is restored from a backup gives "
      "numbers again that were in use: such a server would take new data for old.\n\n"
      "A server that cannot be reached, 408, 425, 429 and 5xx are tried again for as long as it takes (or "
      "`max_attempts` answers), with growing pauses, and not before the time that Retry-After names. 401, a redirect "
      "to a host that is not allowed and a certificate that cannot be read stop the processor; its input waits. Any "
      "other answer, and redirects without end, send the FlowFile, or the request's records, to `failure` with the "
      "answer's beginning in "
      "`error.message`.\n\n"
      "Requests go out in the order of the input, one after the other. With `in_flight` several go out at once, and "
      "only those with the same `key` keep their order. A redirect of a POST is followed only where it keeps its body "
      "(307, 308).");
  spec.example(
      "url: https://api.example.com/sensors/$(sensor_id)/readings\n"
      "send: records\n"
      "batch: 500\n"
      "auth: {bearer: \"${env:API_TOKEN:-none}\"}\n");
  spec.property("url", own<SinkSettings>(&ClientSettings::url),
                {.help = "Where to send. $(SQL) may stand in the path and the query: what it gives is one segment of "
                         "the path, or one value, never more.",
                 .example = "https://api.example.com/sensors/$(sensor_id)/readings",
                 .required = true,
                 .kind = Kind::templated,
                 .encoding = Encoding::url_segment})
      .property("method", &SinkSettings::method, {.help = "The method.", .choices = {"POST", "PUT", "PATCH"}})
      .property("headers", own<SinkSettings>(&ClientSettings::headers),
                {.help = "Headers to send, by name; values may have $(SQL).",
                 .example = "{X-Device: \"$(sensor_id)\"}",
                 .kind = Kind::templated,
                 .encoding = Encoding::header})
      .property("send", &SinkSettings::send,
                {.help = "`flowfile`: a request a FlowFile, its content as it is; $(SQL) reads its first record and "
                         "its attributes. `records`: up to `batch` records a request; $(SQL) reads each record.",
                 .choices = {"flowfile", "records"}})
      .property("batch", &SinkSettings::batch,
                {.help = "By records: most records a request. Those of a request follow each other in one FlowFile, "
                         "and have the same url, headers and key.",
                 .min = 1,
                 .max = 100000})
      .property("format", &SinkSettings::format,
                {.help = "By records, with a batch of more than one: a JSON `array`, or `lines` (NDJSON).",
                 .choices = {"array", "lines"}})
      .property("content_type", &SinkSettings::content_type,
                {.help = "The Content-Type. By default what the content is: by records application/json or "
                         "application/x-ndjson, otherwise the attribute mime.type, or application/octet-stream.",
                 .example = "text/csv"})
      .property("success", &SinkSettings::success,
                {.help = "The statuses that mean the server has it, as 200, or 2xx for all of them; by default 2xx.",
                 .example = "[2xx, \"409\"]"})
      .property("in_flight", &SinkSettings::in_flight,
                {.help = "Most requests under way at once.", .min = 1, .max = 1000})
      .property("key", &SinkSettings::key,
                {.help = "With in_flight: requests with the same key go one after the other.",
                 .example = "sensor_id",
                 .kind = Kind::field})
      .property("idempotency_header", &SinkSettings::idempotency_header,
                {.help = "With delivery: exactly_once: the header with the key by which the server knows a repeated "
                         "request."})
      .property("max_attempts", &SinkSettings::max_attempts,
                {.help = "A request that was answered so often with a passing trouble (429, 5xx) goes to `failure`. "
                         "0: never.",
                 .min = 0})
      .property("max_body", &SinkSettings::max_body,
                {.help = "A larger FlowFile or record goes to `failure`; batches stay below it.",
                 .unit = Unit::bytes,
                 .min = 1024});
  add_client_properties(spec);
  spec.relationship({"failure", "What the server refuses, and what no request can be made of."})
      .reads("mime.type", "The content type, unless `content_type` or `headers` say it.")
      .state("A count of its sessions.")
      .exactly_once()
      .blocking();
  return spec;
}

}  // namespace

const Spec<SinkSettings> sink_spec = make_spec();

}  // namespace weir::http
