#pragma once
// WriteCsv: records as rows of CSV.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/processor.h"
#include "weir/sql.h"

namespace weir::csv {

struct WriteCsvSettings {
  std::vector<std::string> columns;
  std::string delimiter = ",";
  std::string quote = "\"";
  std::string quoting = "minimal";
  bool header = true;
  std::string null;
  std::string line_end = "lf";
};

const Spec<WriteCsvSettings>& write_csv_spec();

class WriteCsv final : public Processor {
 public:
  explicit WriteCsv(WriteCsvSettings settings);
  void start(Context& context) override;
  void step(Batch batch, Session& session) override;

 private:
  void write(FlowFile file, Session& session);
  void append_row(const Row& row);
  void append_cell(std::string_view text, bool is_text);
  FlowFile begin(FlowFile input, Session& session);

  WriteCsvSettings settings_;
  char delimiter_;
  char quote_;
  std::string header_;
  std::size_t columns_ = 0;
  Statement statement_;
  std::string rows_;     ///< not yet appended
  std::string decoded_;  ///< text of the cell at hand
};

}  // namespace weir::csv
