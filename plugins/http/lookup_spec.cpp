// What HttpLookup declares of itself.
#include "lookup.h"

namespace weir::http {
namespace {

Spec<LookupSettings> make_spec() {
  Spec<LookupSettings> spec("HttpLookup", "Enriches records with what an HTTP API answers for them.");
  spec.description(
      "For each record the `url` is asked (GET), and the JSON it answers becomes the record's member `into`: all of "
      "it, "
      "or the `fields` named. The record's other bytes stay as they are. Records that ask for the same address share "
      "one request, and its answer is kept for `ttl`; several requests are under way at once, no more than `rate` "
      "allows. Records leave in their order.\n\n"
      "A server that cannot be reached, 408, 425, 429 and 5xx are asked again, at most `attempts` times; then "
      "`on_failure` decides. 404, 410 and 204 mean that there is no such thing, and that is remembered as any answer. "
      "401, and a redirect to a host that is not allowed, stop the processor. Any other answer, one that is no JSON or "
      "larger than `max_body`, and redirects without end fail its records, unless `on_failure` is `set_null`, or "
      "`stale` and there is an older "
      "value.");
  spec.example(
      "url: https://api.example.com/weather?station=$(station)\n"
      "into: weather\n"
      "fields: {temperature: /main/temp, wind: /wind/speed}\n"
      "ttl: 15m\n"
      "rate: 10/s\n"
      "on_failure: stale\n");
  spec.property("url", own<LookupSettings>(&ClientSettings::url),
                {.help = "The address to ask. $(SQL) may stand in the path and the query: what it gives is one segment "
                         "of the path, or one value, never more.",
                 .example = "https://api.example.com/units/$(unit_id)",
                 .required = true,
                 .kind = Kind::templated,
                 .encoding = Encoding::url_segment})
      .property("headers", own<LookupSettings>(&ClientSettings::headers),
                {.help = "Headers to send, by name.", .example = "{X-Api-Key: \"${secret:API_KEY}\"}"})
      .property("into", &LookupSettings::into,
                {.help = "The member of the record that gets the answer; one of that name is replaced."})
      .property(
          "fields", &LookupSettings::fields,
          {.help = "What to take of the answer, by the name it gets: JSON Pointers. What is not there is null. By "
                   "default the whole answer.",
           .example = "{temperature: /main/temp}"})
      .property("ttl", &LookupSettings::ttl,
                {.help = "How long an answer is used again. 0s: by nobody else.", .min = 0})
      .property("cache_size", &LookupSettings::cache_size, {.help = "Most answers that are kept.", .min = 0})
      .property(
          "rate", &LookupSettings::rate,
          {.help = "Most requests a second; 0/s is no limit.", .example = "10/s", .unit = Unit::per_second, .min = 0})
      .property("in_flight", &LookupSettings::in_flight,
                {.help = "Most requests under way at once.", .min = 1, .max = 1000})
      .property("attempts", &LookupSettings::attempts,
                {.help = "How often a request is made before `on_failure` decides.", .min = 1, .max = 100})
      .property("on_failure", &LookupSettings::on_failure,
                {.help = "When the API is in trouble: `wait` until it is not, `fail` the record, enrich it with null "
                         "(`set_null`), "
                         "or with the last answer, however old (`stale`; without one, as fail).",
                 .choices = {"wait", "fail", "set_null", "stale"}})
      .property("on_missing", &LookupSettings::on_missing,
                {.help = "When there is no such thing: enrich the record with null (`set_null`), or `fail` it.",
                 .choices = {"set_null", "fail"}})
      .property("max_body", &LookupSettings::max_body,
                {.help = "A larger answer (unpacked) fails its records.", .unit = Unit::bytes, .min = 1});
  add_client_properties(spec);
  spec.relationship({"success", "The enriched records."})
      .relationship({"failure", "Records that could not be enriched, as they came."})
      .blocking();
  return spec;
}

}  // namespace

const Spec<LookupSettings> lookup_spec = make_spec();

}  // namespace weir::http
