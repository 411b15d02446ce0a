#pragma once
// ReadCsv: the rows of a CSV file as records, whatever its size.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "column.h"
#include "row_parser.h"
#include "weir/processor.h"
#include "weir/record.h"

namespace weir::csv {

struct ReadCsvSettings {
  std::string delimiter = ",";
  std::string quote = "\"";
  bool header = true;
  std::vector<std::string> columns;
  std::uint64_t skip_lines = 0;
  std::string null;
  std::string undeclared = "infer";
  std::string encoding = "utf-8";
  std::uint64_t max_row = 1 * MiB;
};

const Spec<ReadCsvSettings>& read_csv_spec();

/// One character that can part or quote cells, from a property. Throws Misconfigured.
char special_character(std::string_view property, const std::string& text);

class ReadCsv final : public Processor {
 public:
  explicit ReadCsv(ReadCsvSettings settings);
  void start(Context& context) override;
  void step(Batch batch, Session& session) override;

 private:
  class Reading;

  void use_header(std::string_view row);

  ReadCsvSettings settings_;
  Dialect dialect_;
  CellRules rules_;
  std::optional<EmittedRecord> record_;
  std::vector<Column> columns_;  ///< of the header last used, or of the settings
  std::string header_;           ///< that columns_ come from
  Metric rows_metric_;
  Metric bad_rows_metric_;
};

}  // namespace weir::csv
