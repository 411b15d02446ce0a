#include "records/route.h"

#include "records/division.h"
#include "records/statements.h"
#include "weir/split.h"

namespace weir::records {

namespace {

constexpr std::uint32_t kUnmatched = 0;
constexpr std::uint32_t kFirstRoute = 2;  // behind unmatched and failure

/// The routes that a record takes: for each whether its condition holds. False: one is no condition.
bool conditions(const Row& row, std::vector<bool>& taken) {
  for (std::size_t i = 0; i < taken.size(); ++i) {
    const auto result = condition(row.values[i]);
    if (result == Condition::invalid) return false;
    taken[i] = result == Condition::yes;
  }
  return true;
}

constexpr std::string_view kNoCondition = "a route's condition is text, neither true nor false";

void route_first(Statement& statement, Batch batch, Session& session, std::size_t routes) {
  Division division(session, batch, kUnmatched);
  std::vector<bool> taken(routes);
  statement.run(session, batch, [&](const Row& row) {
    if (row.error.size != 0) return division.fail(row, view(row.error));
    if (!conditions(row, taken)) return division.fail(row, kNoCondition);
    for (std::size_t i = 0; i < routes; ++i) {
      if (taken[i]) return division.route(row, kFirstRoute + static_cast<std::uint32_t>(i));
    }
    division.route(row, kUnmatched);
  });
  division.finish();
}

/// A record goes every way whose condition holds, so that a FlowFile may be there several times.
void route_all(Statement& statement, Batch batch, Session& session, std::size_t routes) {
  RecordSplit split(session, batch, [&](FlowFile file) { session.transfer(file, kUnmatched); });
  std::vector<bool> taken(routes);
  statement.run(session, batch, [&](const Row& row) {
    split.begin(row);
    if (row.error.size != 0) return split.reject(view(row.error));
    if (!conditions(row, taken)) return split.reject(kNoCondition);
    bool any = false;
    for (std::size_t i = 0; i < routes; ++i) {
      if (!taken[i]) continue;
      split.route(kFirstRoute + static_cast<std::uint32_t>(i));
      any = true;
    }
    if (!any) split.route(kUnmatched);
  });
  split.end();
}

}  // namespace

const Spec<RouteSettings>& route_spec() {
  static const auto spec =
      Spec<RouteSettings>{"Route", "Sends records to relationships of your own by conditions."}
          .description(
              "Each name under `routes` is a relationship, and its SQL the condition to go there. With `mode: first` a "
              "record takes the first route whose condition is true, with `mode: all` every such route. Without any it "
              "goes to `unmatched`.\n\n"
              "A FlowFile whose records all go one way goes there itself, byte for byte. Only the fields that the "
              "conditions name are looked at. Records that cannot be read go to `failure`; the rest proceed.")
          .example("routes:\n  hot: temperature > 30\n  cold: temperature < 0")
          .property("routes", &RouteSettings::routes,
                    {.help = "Relationship to condition, an SQL expression over a record.",
                     .example = "hot: temperature > 30",
                     .required = true,
                     .kind = Kind::expression})
          .property("mode", &RouteSettings::mode,
                    {.help = "Whether a record takes the first route whose condition is true, or all of them.",
                     .choices = {"first", "all"}})
          .relationship({"unmatched", "Records for which no condition is true."})
          .relationship({"failure", "Records that cannot be read, with the reason in error.message."})
          .relationships_from("routes")
          .concurrent()
          .keeps_record();
  return spec;
}

struct Route::State {
  StatementPool statements;
};

Route::Route(RouteSettings settings) : settings_(std::move(settings)), state_(std::make_unique<State>()) {
  if (settings_.routes.empty()) throw Misconfigured("routes is empty: name at least one");
}
Route::~Route() = default;

void Route::start(Context& context) {
  state_->statements.start([this, context]() mutable {
    Query query(context);
    for (const auto& [name, condition] : settings_.routes) query.column(condition);
    return query.prepare();
  });
}

void Route::step(Batch batch, Session& session) {
  state_->statements.with([&](Statement& statement) {
    if (settings_.mode == "all") {
      route_all(statement, batch, session, settings_.routes.size());
    } else {
      route_first(statement, batch, session, settings_.routes.size());
    }
  });
}

}  // namespace weir::records
