#include "api/apply_pages.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <utility>

#include "api/json.h"

namespace weir::api {

namespace json = boost::json;

namespace {

json::array values_json(const std::vector<flow::ChangedValue>& values) {
  json::array out;
  for (const auto& value : values)
    out.push_back(
        json::object{{"what", utf8(value.what)}, {"before", utf8(value.before)}, {"after", utf8(value.after)}});
  return out;
}

std::string text_of(const json::object& body, const char* member, const char* help) {
  const auto* value = body.if_contains(member);
  if (value == nullptr || !value->is_string()) throw Refused(400, fmt::format("'{}' is missing: {}", member, help));
  return std::string(value->as_string());
}

bool flag_of(const json::object& body, const char* member) {
  const auto* value = body.if_contains(member);
  if (value == nullptr) return false;
  if (!value->is_bool()) throw Refused(400, fmt::format("'{}' is true or false", member));
  return value->as_bool();
}

void check_members(const json::object& body, std::initializer_list<std::string_view> known) {
  for (const auto& [member, value] : body) {
    if (std::find(known.begin(), known.end(), std::string_view(member)) == known.end())
      throw Refused(400, fmt::format("there is no member '{}' here", utf8(member)));
  }
}

Response source(const FlowTexts& texts, const Call& call) {
  const auto flow = texts.running(call.at[0]);
  json::array processors;
  for (const auto& processor : flow->processors)
    processors.push_back(json::object{{"name", processor.name}, {"line", processor.mark.line}});
  const auto why_not = FlowTexts::why_not_kept(*flow);
  auto response = json_response(json::object{{"flow", flow->name},
                                             {"file", flow->file},
                                             {"text", utf8(flow->text)},
                                             {"hash", FlowTexts::hash(flow->text)},
                                             {"processors", std::move(processors)},
                                             {"writable", why_not.empty()},
                                             {"why_not", utf8(why_not)}});
  response.headers.emplace_back("ETag", '"' + FlowTexts::hash(flow->text) + '"');
  return response;
}

json::object outcome(const Checked& checked) {
  json::object out{{"ok", checked.flow != nullptr}, {"problems", problems_json(checked.problems)}};
  out["difference"] = checked.flow ? json::value(difference_json(checked.difference)) : json::value();
  return out;
}

Response asked_only(const json::object& out) {
  auto response = json_response(out);
  response.asked_only = true;
  return response;
}

Response refused(int status, const std::string& why, json::object out) {
  out["error"] = utf8(why);
  return json_response(out, status);
}

Response apply(FlowTexts& texts, const std::string& flow, const std::string& text, const std::string& base,
               const std::string& who) {
  Checked checked;
  try {
    const bool applied = texts.apply(flow, text, base, who, checked);
    auto out = outcome(checked);
    if (!checked.flow) return refused(422, "the flow has errors: nothing was applied", std::move(out));
    out["outcome"] = applied ? "applied" : "unchanged";
    out["hash"] = FlowTexts::hash(text);
    return json_response(out);
  } catch (const Outdated& error) {
    auto out = outcome(checked);
    out["hash"] = FlowTexts::hash(texts.running(flow)->text);
    return refused(412, error.what(), std::move(out));
  } catch (const engine::NotApplied& error) {
    auto out = outcome(checked);
    out["outcome"] = "rolled_back";
    return refused(409, fmt::format("not applied, and what ran before runs on: {}", error.what()), std::move(out));
  } catch (const engine::NotNow& error) {
    return refused(409, error.what(), outcome(checked));
  }
}

Response preview(FlowTexts& texts, const std::string& flow, const std::string& text, const std::string& base) {
  const auto checked = texts.check(flow, text);
  auto out = outcome(checked);
  if (!checked.flow) return refused(422, "the flow has errors", std::move(out));
  const auto running = texts.running(flow);
  if (base != FlowTexts::hash(running->text) && text != running->text) {
    out["hash"] = FlowTexts::hash(running->text);
    return refused(412, fmt::format("the flow '{}' has changed since the text that yours is based on", flow),
                   std::move(out));
  }
  const auto why_not = FlowTexts::why_not_kept(*running, &text);
  out["outcome"] = "dry_run";
  out["writable"] = why_not.empty();
  out["why_not"] = utf8(why_not);
  return asked_only(out);
}

}  // namespace

json::array problems_json(const std::vector<flow::Problem>& problems) {
  json::array out;
  for (const auto& problem : problems)
    out.push_back(json::object{{"severity", problem.severity == flow::Severity::error ? "error" : "warning"},
                               {"file", utf8(problem.mark.file)},
                               {"line", problem.mark.line},
                               {"column", problem.mark.column},
                               {"length", problem.length},
                               {"message", utf8(problem.message)},
                               {"expected", utf8(problem.expected)},
                               {"nearest", utf8(problem.nearest)},
                               {"text", utf8(to_text(problem))}});
  return out;
}

json::object difference_json(const flow::FlowDifference& difference) {
  json::array processors, connections, restarts;
  for (const auto& processor : difference.processors) {
    processors.push_back(json::object{{"kind", name_of(processor.kind)},
                                      {"name", processor.name},
                                      {"was", processor.was},
                                      {"reach", name_of(processor.reach)},
                                      {"values", values_json(processor.values)}});
    if (processor.kind == flow::ChangeKind::changed && processor.reach == flow::Reach::restart)
      restarts.push_back(json::value(processor.name));
  }
  for (const auto& connection : difference.connections)
    connections.push_back(json::object{{"kind", name_of(connection.kind)},
                                       {"id", connection.id},
                                       {"was", connection.was},
                                       {"values", values_json(connection.values)}});
  return {{"flow", difference.flow},
          {"kind", name_of(difference.kind)},
          {"empty", difference.empty()},
          {"summary", flow::summary(difference)},
          {"values", values_json(difference.values)},
          {"processors", std::move(processors)},
          {"connections", std::move(connections)},
          {"restarts", std::move(restarts)}};
}

void add_apply_pages(Router& router, FlowTexts& texts) {
  constexpr const char* kText = "the flow's YAML";
  // A file may have a password in it where ${secret:…} should stand, so it is not for everyone who may look.
  router.get_for_operators("/flows/{flow}/source", "A flow's source text, its hash, and the line of each processor",
                           [&texts](Call& call) { return source(texts, call); });
  router.post("/flows/{flow}/validate", "Whether a changed text of the flow is right, and what it would change",
              [&texts](Call& call) {
                check_members(call.body, {"text"});
                return later([&texts, flow = call.at[0], text = text_of(call.body, "text", kText)] {
                  const auto checked = texts.check(flow, text);
                  return asked_only(outcome(checked));
                });
              });
  router.post(
      "/flows/{flow}/apply", "Applies a changed text of the flow, or says what that would change",
      [&texts](Call& call) {
        check_members(call.body, {"text", "base", "dry_run"});
        const auto text = text_of(call.body, "text", kText);
        const auto base = text_of(call.body, "base", "the hash, from …/source, of the text that yours is based on");
        return later([&texts, flow = call.at[0], text, base, dry = flag_of(call.body, "dry_run"), who = call.who] {
          return dry ? preview(texts, flow, text, base) : apply(texts, flow, text, base, who);
        });
      });
}

}  // namespace weir::api
