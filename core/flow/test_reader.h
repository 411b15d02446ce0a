#pragma once
// Reads `tests:`, from the flow file or from the file of tests beside it.

#include <string_view>
#include <vector>

#include "flow/definition.h"
#include "flow/yaml.h"

namespace weir::flow {

/// The tests of a flow whose processors are read. Everything they name is checked against it.
class TestReader {
 public:
  TestReader(const Reporter& report, const Flow& flow) : report_(report), flow_(flow) {}

  std::vector<FlowTest> read(const Node& list) const;

 private:
  FlowTest read_test(const Node& node) const;
  void read_given(const Node& node, FlowTest& test) const;
  Expectation read_expectation(const Node& node) const;
  void read_answers(const Node& node, FlowTest& test) const;
  void read_tables(const Node& node, FlowTest& test) const;
  void check_tables(const Node& node, const FlowTest& test) const;
  Answer read_answer(const Node& node, std::uint32_t processor) const;

  bool map(const Node& node, std::string_view what, const std::vector<std::string>& keys) const;
  bool list(const Node& node, std::string_view what) const;
  std::string text(const Node& node, std::string_view what) const;
  std::uint64_t count(const Node& node, std::string_view what) const;
  Duration duration(const Node& node, std::string_view what) const;
  bool boolean(const Node& node, std::string_view what) const;
  std::vector<Written> texts(const Node& node, std::string_view what) const;
  std::vector<Written> records(const Node& node) const;
  std::map<std::string, Written> attributes(const Node& node) const;
  std::optional<std::uint32_t> processor(const Node& node, std::string_view name) const;
  std::optional<std::uint32_t> relationship(const Node& node, std::uint32_t processor, std::string_view name) const;

  const Reporter& report_;
  const Flow& flow_;
};

}  // namespace weir::flow
