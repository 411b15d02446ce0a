// libFuzzer: any bytes as content, through every kind of statement. Nothing may crash, every record's bytes lie in the
// content, and what is written for a good record can be read again.
#include "tests/fuzz/require.h"
#include "tests/sql/run_sql.h"

using weir::testing::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view content(reinterpret_cast<const char*>(data), size);
  weir::sql::SqlRun native;
  native.columns = {{"a", weir::abi::As::any}, {"a > 1 OR b = 'x'", weir::abi::As::any}, {"t", weir::abi::As::text}};
  native.session.add(content);
  for (const auto& row : native.run()) require(content.find(row.json) != std::string_view::npos);
  weir::sql::SqlRun select;
  select.select = "SELECT *, a ->> '$.b' AS c, has('t') AS h FROM record";
  select.session.add(content);
  for (const auto& row : select.run()) {
    if (!row.error.empty()) continue;
    const auto again = weir::sql::evaluate("h", row.output);
    require(again.size() == 1 && (again[0] == "i:1" || again[0] == "i:0"));
  }
  weir::sql::SqlRun update;
  update.set = {{"a", "b"}, {"new", "1"}};
  update.remove = {"t"};
  update.session.add(content);
  for (const auto& row : update.run()) {
    if (row.error.empty()) require(weir::sql::evaluate("has('t')", row.output).at(0) == "i:0");
  }
  return 0;
}
