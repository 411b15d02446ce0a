// What HttpSource declares of itself.
#include "source.h"

namespace weir::http {
namespace {

Spec<SourceSettings> make_spec() {
  Spec<SourceSettings> spec("HttpSource", "Polls an HTTP endpoint.");
  spec.description(
      "How often is the flow's `schedule` (`{every: 10s}` or a cron line); without one, the endpoint is asked once at "
      "each start. In batch mode (`--until-idle`) it is asked once.\n\n"
      "An answer's JSON array becomes records: NDJSON of up to 1 MiB a FlowFile (`emit: records`), a FlowFile each "
      "(`emit: each`), or nothing is taken apart (`emit: body`, which takes any content). What an answer brought, its "
      "ETag and Last-Modified, the next page and the cursor become durable together: after a crash the source goes on "
      "with the page it was at, and brings nothing twice that it has already brought.\n\n"
      "A server that cannot be reached, 408, 425, 429 and 5xx are tried again, not before the time that Retry-After "
      "names; so is an answer that is no JSON, or has nothing at `items`. Any other 4xx, a redirect to a host that is "
      "not allowed and an answer beyond `max_body` stop the processor with a bulletin. 304 and 204 bring nothing.");
  spec.example(
      "url: https://api.example.com/v1/readings\n"
      "schedule: {every: 10s}\n"
      "headers: {X-Api-Key: \"${env:API_KEY:-none}\"}\n"
      "items: /data\n"
      "paging: {by: cursor, cursor: /meta/next, parameter: cursor}\n");
  spec.property("url", own<SourceSettings>(&ClientSettings::url),
                {.help = "The address to ask.", .example = "https://api.example.com/v1/readings", .required = true})
      .property("method", &SourceSettings::method, {.help = "The method.", .choices = {"GET", "POST"}})
      .property("body", &SourceSettings::body, {.help = "With POST: what to send.", .example = "'{\"since\": 0}'"})
      .property("headers", own<SourceSettings>(&ClientSettings::headers),
                {.help = "Headers to send, by name.", .example = "{X-Api-Key: \"${secret:API_KEY}\"}"})
      .property("emit", &SourceSettings::emit,
                {.help = "`records`: the elements of the array as lines. `each`: a FlowFile an element. `body`: the "
                         "whole answer as it is.",
                 .choices = {"records", "each", "body"}})
      .property("items", &SourceSettings::items,
                {.help = "A JSON Pointer to the array of records in the answer; by default the answer itself. What is "
                         "no array is one record.",
                 .example = "/data/items"})
      .property("paging", &SourceSettings::paging, {.help = "How an answer names the page after it."})
      .property("conditional", &SourceSettings::conditional,
                {.help = "Send the ETag and Last-Modified of the last answer, so that the server can answer 304. Not "
                         "with paging: what is unchanged on one page says nothing of the others."})
      .property("max_body", &SourceSettings::max_body,
                {.help = "A larger answer (unpacked) stops the processor.", .unit = Unit::bytes, .min = 1});
  add_client_properties(spec);
  spec.relationship({"success", "What the endpoint answered."})
      .writes("http.url", "The address that answered, without its query.")
      .writes("http.status", "The status of the answer.")
      .writes("http.page", "With paging: which page of the poll it is, from 0.")
      .writes("http.etag", "The answer's ETag.")
      .writes("http.last_modified", "The answer's Last-Modified.")
      .writes("mime.type", "The content type.")
      .state("The ETag and Last-Modified of the last answer, the next page, and the cursor.")
      .source()
      .blocking();
  return spec;
}

}  // namespace

const Spec<SourceSettings> source_spec = make_spec();

}  // namespace weir::http
