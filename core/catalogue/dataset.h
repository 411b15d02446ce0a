#pragma once
// The datasets of a flow: what each of its sinks writes, for those who use it. All of it follows from the flow file and
// from what processor types say of themselves (weir/dataset.h); what is only known while the flow runs is in Facts.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flow/definition.h"
#include "sql/declaration.h"
#include "weir/dataset.h"

namespace weir::catalogue {

/// What a source reads, upstream of a dataset.
struct Origin {
  std::string processor;
  std::string type;
  std::string kind;  ///< empty: its type does not say
  std::string name;
  std::string location;
  std::string description;
};

/// A step of the way from the origins to the dataset.
struct Step {
  std::string from;
  std::string relationship;
  std::string to;
};

struct Dataset {
  std::string flow;
  std::string processor;  ///< the sink; flow/processor is the dataset's id
  std::string type;       ///< of the sink
  std::string kind;
  std::string name;
  std::string location;
  std::string description;
  std::string owner;
  std::vector<std::string> tags;
  std::vector<std::string> sensitive;              ///< fields whose values are not shown
  std::string query;                               ///< how to look at it, for a shell; empty: there is no common way
  std::shared_ptr<const sql::Declaration> schema;  ///< what is declared of its records; null: nothing
  std::vector<std::pair<std::string, std::string>> columns;  ///< what is written, where that is not the record
  std::shared_ptr<const sql::Declaration> input;             ///< what is declared of the records that come in
  std::vector<Origin> origins;
  std::vector<Step> steps;               ///< of all ways that lead to it
  std::vector<std::string> connections;  ///< ids of those that end at the sink
  bool delivered_exactly_once = false;

  std::string id() const { return flow + "/" + processor; }
  bool is_sensitive(const std::string& field) const;
};

/// What the type says of its dataset; null: nothing.
const abi::Dataset* declared_dataset(const abi::ProcessorType& type);

/// The datasets that the flow writes, in the order of its processors.
std::vector<Dataset> datasets_of(const flow::Flow& flow);

/// What is known of a dataset from data that passed.
struct InferredField {
  std::string name;
  std::uint64_t present = 0;                                 ///< in so many of the records that were looked at
  std::vector<std::pair<std::string, std::uint64_t>> types;  ///< JSON's types, with how often they were seen
};

struct Facts {
  std::uint64_t rows = 0, bytes = 0;
  std::int64_t last_write = 0;  ///< nanoseconds since 1970; 0: none is known
  std::optional<double> good;   ///< share of the checked records in it that passed
  std::uint64_t checked = 0;    ///< how many these are
  std::vector<InferredField> fields;
  std::uint64_t looked_at = 0;  ///< records that fields are inferred from
};

/// Open Data Contract Standard v3.0.2, as YAML.
std::string odcs(const Dataset& dataset, const Facts& facts);
/// JSON Schema 2020-12 of a record.
std::string json_schema(const Dataset& dataset, const Facts& facts);

/// A shell's word: quoted where it has to be.
std::string shell_word(const std::string& text);
/// What a template's $(…) make of it where any text may stand: `with` for each.
std::string generalised(std::string_view text, std::string_view with);
/// How to look at what is there.
std::string query_for(const std::string& kind, const std::string& name, const std::string& location);

}  // namespace weir::catalogue
