// A plugin as it should be, for the tests of flows: one type for each thing that a spec can say.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "weir/plugin.h"

namespace {

const weir::Relationship kSuccess{"success", "What goes on."};
const weir::Relationship kFailure{"failure", "What is rejected."};

struct SourceSettings {
  std::string topic;
  std::uint64_t qos = 0;
  weir::Duration timeout = std::chrono::seconds(30);
  std::string password;
};
const auto source_spec = weir::Spec<SourceSettings>{"TestSource", "Brings data in."}
                             .property("topic", &SourceSettings::topic,
                                       {.help = "What to subscribe to.", .example = "a/b", .required = true})
                             .property("qos", &SourceSettings::qos, {.help = "Quality of service.", .max = 2})
                             .property("timeout", &SourceSettings::timeout, {.help = "How long to wait.", .above = 0})
                             .property("password", &SourceSettings::password, {.help = "The password.", .secret = true})
                             .relationship(kSuccess)
                             .writes("test.topic", "Where it came from.")
                             .source();

class TestSource final : public weir::Source {
 public:
  explicit TestSource(SourceSettings) {}
  void poll(weir::Session& session) override { session.finished(); }
};

struct Rule {
  std::optional<double> limit;
  std::string level = "warn";
  static const weir::Fields<Rule>& fields() {
    static const auto fields = weir::Fields<Rule>()
                                   .property("limit", &Rule::limit, {.help = "The most.", .required = true})
                                   .property("level", &Rule::level, {.help = "How bad.", .choices = {"warn", "fail"}});
    return fields;
  }
};
struct FilterSettings {
  std::string where;
  std::map<std::string, Rule> rules;
  std::vector<std::string> fields;
  std::uint64_t size = weir::MiB;
  double rate = 5;
  bool strict = false;
  weir::Any extra;
};
const auto filter_spec =
    weir::Spec<FilterSettings>{"TestFilter", "Keeps what matches | or not."}
        .description("Longer words\non two lines.")
        .example("where: temperature > 20\n")
        .property("where", &FilterSettings::where, {.help = "What to keep.", .kind = weir::Kind::expression})
        .property("rules", &FilterSettings::rules, {.help = "Rules by field."})
        .property("fields", &FilterSettings::fields, {.help = "Some fields.", .example = "[a, b]"})
        .property("size", &FilterSettings::size, {.help = "A size.", .unit = weir::Unit::bytes, .min = 1024})
        .property("rate", &FilterSettings::rate, {.help = "A rate.", .unit = weir::Unit::per_second})
        .property("strict", &FilterSettings::strict, {.help = "A switch."})
        .property("extra", &FilterSettings::extra, {.help = "Whatever."})
        .relationship(kSuccess)
        .relationship({"unmatched", "What does not match."})
        .relationship(kFailure)
        .state("Nothing of note.")
        .concurrent()
        .keeps_record();

class TestFilter final : public weir::Processor {
 public:
  explicit TestFilter(FilterSettings settings) {
    if (settings.strict && settings.fields.empty()) throw weir::Misconfigured("'strict' needs 'fields'");
  }
};

struct RouteSettings {
  std::vector<std::pair<std::string, std::string>> routes;
};
const auto route_spec =
    weir::Spec<RouteSettings>{"TestRoute", "Sends records their way."}
        .property("routes", &RouteSettings::routes,
                  {.help = "Conditions by relationship.", .required = true, .kind = weir::Kind::expression})
        .relationship({"unmatched", "What no condition takes."})
        .relationship(kFailure)
        .relationships_from("routes")
        .keeps_record();

class TestRoute final : public weir::Processor {
 public:
  explicit TestRoute(RouteSettings) {}
};

struct SelectSettings {
  std::string select;
};
const auto select_spec = weir::Spec<SelectSettings>{"TestSelect", "Makes records of records."}
                             .property("select", &SelectSettings::select,
                                       {.help = "The statement.", .required = true, .kind = weir::Kind::select})
                             .relationship(kSuccess)
                             .relationship(kFailure);

class TestSelect final : public weir::Processor {
 public:
  explicit TestSelect(SelectSettings) {}
};

struct UpdateSettings {
  std::map<std::string, std::string> set;
  std::vector<std::string> remove;
};
const auto update_spec =
    weir::Spec<UpdateSettings>{"TestUpdate", "Changes fields."}
        .property("set", &UpdateSettings::set, {.help = "To what.", .kind = weir::Kind::expression})
        .property("remove", &UpdateSettings::remove, {.help = "Which."})
        .relationship(kSuccess)
        .relationship(kFailure)
        .edits_record();

class TestUpdate final : public weir::Processor {
 public:
  explicit TestUpdate(UpdateSettings) {}
};

struct SinkSettings {
  std::string path;
  std::map<std::string, std::string> notes;
};
const auto sink_spec =
    weir::Spec<SinkSettings>{"TestSink", "Takes data out."}
        .property("path", &SinkSettings::path,
                  {.help = "Where to.",
                   .example = "out/$(sensor_id).json",
                   .required = true,
                   .kind = weir::Kind::templated,
                   .encoding = weir::Encoding::path_segment})
        .property("notes", &SinkSettings::notes, {.help = "What is written with it.", .kind = weir::Kind::templated})
        .exactly_once();

class TestSink final : public weir::Processor {
 public:
  explicit TestSink(SinkSettings) {}
};

}  // namespace

WEIR_PLUGIN(weir::type<TestSource>(source_spec), weir::type<TestFilter>(filter_spec), weir::type<TestRoute>(route_spec),
            weir::type<TestSelect>(select_spec), weir::type<TestUpdate>(update_spec), weir::type<TestSink>(sink_spec))
