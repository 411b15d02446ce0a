#include "records/filter.h"

#include "records/division.h"
#include "records/statements.h"

namespace weir::records {

namespace {

constexpr std::uint32_t kMatched = 0;
constexpr std::uint32_t kUnmatched = 1;

}  // namespace

const Spec<FilterSettings>& filter_spec() {
  static const auto spec =
      Spec<FilterSettings>{"Filter", "Parts records by a condition."}
          .description(
              "Each record for which `where` is true goes to `matched`, every other to `unmatched`; NULL is not true. "
              "A FlowFile whose records all go one way goes there itself, byte for byte; otherwise its records are "
              "divided, each with its own bytes, in the form that the FlowFile had. An empty array is unmatched.\n\n"
              "Only the fields that the condition names are looked at, besides the brackets and commas that hold a "
              "record together. Records that cannot be read, or whose fields are not of their declared type, go to "
              "`failure`; the rest proceed.")
          .example("where: temperature > 20 AND status = 'ok'")
          .property("where", &FilterSettings::where,
                    {.help = "The condition: an SQL expression over a record.",
                     .example = "temperature > 20",
                     .required = true,
                     .kind = Kind::expression})
          .relationship({"matched", "Records for which the condition is true."})
          .relationship({"unmatched", "Records for which it is false or NULL."})
          .relationship({"failure", "Records that cannot be read, with the reason in error.message."})
          .concurrent()
          .keeps_record();
  return spec;
}

struct Filter::State {
  StatementPool statements;
};

Filter::Filter(FilterSettings settings) : settings_(std::move(settings)), state_(std::make_unique<State>()) {}
Filter::~Filter() = default;

void Filter::start(Context& context) {
  state_->statements.start([this, context]() mutable { return Query(context).column(settings_.where).prepare(); });
}

void Filter::step(Batch batch, Session& session) {
  state_->statements.with([&](Statement& statement) {
    Division division(session, batch, kUnmatched);
    statement.run(session, batch, [&](const Row& row) {
      if (row.error.size != 0) return division.fail(row, view(row.error));
      switch (condition(row.values[0])) {
        case Condition::yes:
          return division.route(row, kMatched);
        case Condition::no:
          return division.route(row, kUnmatched);
        case Condition::invalid:
          return division.fail(row, "the condition is text, neither true nor false");
      }
    });
    division.finish();
  });
}

}  // namespace weir::records
