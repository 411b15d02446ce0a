#include "quality_check.h"

namespace weir::quality {

const Spec<QualityCheckSettings>& quality_check_spec() {
  static const auto spec =
      Spec<QualityCheckSettings>("QualityCheck", "Flags readings by rules, says why, and routes them by their flags.")
          .description(
              "Every record gets one of QARTOD's flags (U.S. IOOS, *Manual for the Use of Real-Time Oceanographic Data "
              "Quality Control Flags*): 1 pass, 2 not evaluated, 3 suspect, 4 fail, 9 missing. The worst of its rules' "
              "counts, in the order 4, 3, 1, 2, 9. Records with 4 go to `fail`, with 3 to `suspect`, all others to "
              "`pass`.\n\n"
              "The flag and the reasons are written into the record, and nothing else of it changes:\n\n"
              "```json\n"
              "{\"sensor_id\":\"s-1\",\"timestamp\":1700000000123,\"temperature\":80.10,\"quality\":{\"flag\":4,"
              "\"reasons\":[\"temperature: range 80.10 is outside of [-40, 60]\"]}}\n"
              "```\n\n"
              "A FlowFile whose records get different flags is divided; the parts keep its form.\n\n"
              "**Rules** are by field. A missing or null field is flagged 9, or 4 with `not_null`, and no other rule "
              "of "
              "it is evaluated. Rules about what was before (rate_of_change, spike, flat_line, gap, unique) remember "
              "the "
              "last values of each `key`, by event time. A reading older than the last one is late: those rules are "
              "not "
              "evaluated for it (flag 2, unless another rule says something), and what is remembered stays as it is. "
              "So "
              "does it for a value that fails by itself (range, type, …) or is a spike.\n\n"
              "In a flow that scales out (docs/scaling-out.md) only rules that need nothing of before can be used.\n\n"
              "**Checks** are SQL over the record that has to be true; NULL is not evaluated.\n\n"
              "A record that is no JSON in any byte, or that the declaration refuses, goes to `failure` unchanged. A "
              "time that is missing, or more than `max_ahead` in the future, fails where a rule needs it.\n\n"
              "To read `quality` downstream where fields are declared, declare it: `quality: {type: json}`.")
          .example(
              "type: QualityCheck\nkey: sensor_id\ntime: timestamp\nrules:\n"
              "  temperature: {not_null: true, range: [-40, 60], suspect_range: [-10, 40], rate_of_change: 5/s, "
              "flat_line: 10m, spike: {suspect: 3, fail: 8}}\n"
              "  status: {in: [ok, low_battery]}\n"
              "checks:\n  dew point: \"humidity IS NULL OR temperature > -20\"\n")
          .property("key", &QualityCheckSettings::key,
                    {.help = "A field, or an SQL expression: each of its values has a history of its own. Unset: all "
                             "readings are one series.",
                     .example = "sensor_id",
                     .kind = Kind::field})
          .property("time", &QualityCheckSettings::time,
                    {.help = "The event time, for the rules that need one: a field, or an SQL expression.",
                     .kind = Kind::field})
          .property("rules", &QualityCheckSettings::rules, {.help = "By field, what its values have to be like."})
          .property("checks", &QualityCheckSettings::checks,
                    {.help = "By name, SQL that is true for a good record; the others fail.",
                     .example = "{\"not upside down\": \"low <= high\"}",
                     .kind = Kind::expression})
          .property("suspect_checks", &QualityCheckSettings::suspect_checks,
                    {.help = "The same, but the others are suspect.", .kind = Kind::expression})
          .property(
              "annotate", &QualityCheckSettings::annotate,
              {.help = "Which records the flag is written into: `all`, those with a reason (`flagged`), or `none`.",
               .choices = {"all", "flagged", "none"}})
          .property("quality_field", &QualityCheckSettings::quality_field, {.help = "The member that is written."})
          .property("flag_field", &QualityCheckSettings::flag_field, {.help = "What the flag is called in it."})
          .property("reasons_field", &QualityCheckSettings::reasons_field,
                    {.help = "What the list of reasons is called in it; left out where there are none."})
          .property("max_keys", &QualityCheckSettings::max_keys,
                    {.help = "At most so many keys are remembered; those without a reading for longest are forgotten.",
                     .min = 1,
                     .max = 1e9})
          .property("max_ahead", &QualityCheckSettings::max_ahead,
                    {.help = "A time that is further in the future fails. `0s`: any time is taken.", .min = 0})
          .relationship({"pass", "Records with flag 1, 2 or 9."})
          .relationship({"suspect", "Records with flag 3."})
          .relationship({"fail", "Records with flag 4."})
          .relationship({"failure", "What is no record, unchanged."})
          .state("The last values of each key, where a rule needs them.")
          .keeps_record();
  return spec;
}

}  // namespace weir::quality
