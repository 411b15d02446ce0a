// Plugins are let in or refused; nothing of what is refused runs.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "plugin/loader.h"
#include "plugin/nearest.h"
#include "plugin/registry.h"

namespace {

namespace fs = std::filesystem;
using weir::plugin::Registry;

fs::path plugin_file(const std::string& name) {
  return fs::path(WEIR_TEST_PLUGINS) / (name + ".so");
}

std::string refusal_of(const fs::path& file, Registry& registry) {
  const auto refusals = weir::plugin::load_file(file, registry);
  REQUIRE(refusals.size() == 1);
  CHECK(refusals[0].file == file);
  return refusals[0].message;
}

std::string refusal_of(const std::string& name) {
  Registry registry;
  auto message = refusal_of(plugin_file(name), registry);
  CHECK(registry.types().empty());
  return message;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void unexpected(const weir::plugin::Refusal& refusal) {
  FAIL(to_string(refusal));
}

struct Folder {
  fs::path path;
  Folder() {
    auto pattern = (fs::temp_directory_path() / "weir-plugins-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  ~Folder() { fs::remove_all(path); }
};

}  // namespace

TEST_CASE("a good plugin's types are there, with the file they came from") {
  Registry registry;
  CHECK(weir::plugin::load_file(plugin_file("good"), registry).empty());
  const auto* type = registry.find("TestFilter");
  REQUIRE(type != nullptr);
  CHECK(type->file == plugin_file("good"));
  CHECK(type->spec->property_count == 7);
  CHECK(registry.find("Nothing") == nullptr);
  CHECK(registry.nearest("testfiler") == "TestFilter");
  CHECK(registry.nearest("Kafka").empty());
}

TEST_CASE("a plugin of another ABI is refused before anything in it runs") {
  Folder folder;
  const auto trace = folder.path / "trace";
  setenv("WEIR_TEST_TRACE", trace.c_str(), 1);
  const auto message = refusal_of("bad_other_abi");
  CHECK(contains(message, "weir_plugin_abi_7"));
  CHECK(contains(message, "weir_plugin_abi_1 is needed"));
  CHECK_FALSE(fs::exists(trace));
}

TEST_CASE("a file that is no shared library is refused") {
  Folder folder;
  const auto file = folder.path / "text.so";
  std::ofstream(file) << "this is no ELF file, however long it goes on; " << std::string(4096, 'x');
  Registry registry;
  CHECK(contains(refusal_of(file, registry), "no shared library"));
  std::ofstream(file, std::ios::trunc) << "";
  CHECK(contains(refusal_of(file, registry), "no shared library"));
}

TEST_CASE("a plugin that was cut short is refused") {
  Folder folder;
  const auto file = folder.path / "cut.so";
  fs::copy_file(plugin_file("good"), file);
  fs::resize_file(file, fs::file_size(file) / 2);
  Registry registry;
  CHECK_FALSE(refusal_of(file, registry).empty());
}

TEST_CASE("a library without an entry is refused with the name of the entry that is needed") {
  CHECK(contains(refusal_of("bad_no_entry"), "exports no entry point; weir_plugin_abi_1 is needed"));
}

TEST_CASE("a plugin that needs what nobody has is refused with the name of what is missing") {
  CHECK(contains(refusal_of("bad_unresolved"), "weir_test_function_that_nobody_has"));
}

TEST_CASE("a plugin that gives nothing, no type, or an exception is refused") {
  CHECK(contains(refusal_of("bad_null"), "gave no plugin"));
  CHECK(contains(refusal_of("bad_empty"), "provides 0 processor types"));
  CHECK(contains(refusal_of("bad_throws"), "no licence was found"));
}

TEST_CASE("a spec that uses a key of the flow, or declares a property twice, is refused") {
  CHECK(contains(refusal_of("bad_reserved"), "Mailer declares the property 'to', a key that belongs to the flow"));
  CHECK(contains(refusal_of("bad_spec"), "Twice declares the property 'path' twice"));
}

TEST_CASE("a plugin with a type that is there already is refused as a whole, and names who has it") {
  Registry registry;
  REQUIRE(weir::plugin::load_file(plugin_file("good"), registry).empty());
  const auto message = refusal_of(plugin_file("bad_duplicate"), registry);
  CHECK(contains(message, "provides the type TestSink"));
  CHECK(contains(message, plugin_file("good").string()));
  CHECK(registry.find("OwnType") == nullptr);
}

TEST_CASE("bad plugins of a folder do not keep the others out") {
  Registry registry;
  const auto refusals = weir::plugin::load({{WEIR_TEST_PLUGINS}, {}}, registry);
  CHECK(refusals.size() == 9);  // good.so too: bad_duplicate.so, before it by name, has a type of its
  CHECK(registry.find("OwnType") != nullptr);
}

TEST_CASE("a folder that was asked for has to exist, a usual one need not") {
  Registry registry;
  CHECK(weir::plugin::load({{"/nowhere/at/all"}, {}}, registry).size() == 1);
  CHECK(weir::plugin::load({{}, {"/nowhere/at/all"}}, registry).empty());
}

TEST_CASE("of files with one name the first found is taken") {
  Folder folder;
  fs::copy_file(plugin_file("good"), folder.path / "good.so");
  Registry registry;
  CHECK(weir::plugin::load({{folder.path, plugin_file("good")}, {}}, registry).empty());
  CHECK(registry.find("TestSink")->file == folder.path / "good.so");
}

TEST_CASE("the search goes from the command line over WEIR_PLUGINS to the program's own folders") {
  setenv("WEIR_PLUGINS", "/one::/two", 1);
  const auto path = weir::plugin::search_path({"/zero"});
  unsetenv("WEIR_PLUGINS");
  CHECK(path.asked_for == std::vector<fs::path>{"/zero", "/one", "/two"});
  REQUIRE(path.usual.size() == 2);
  CHECK(path.usual[0].filename() == "plugins");
}

TEST_CASE("the nearest name is found through slips of the hand, and not invented") {
  const std::vector<std::string> names{"success", "failure", "topic", "max_count"};
  CHECK(weir::nearest("succes", names) == "success");
  CHECK(weir::nearest("Failure", names) == "failure");
  CHECK(weir::nearest("tpoic", names) == "topic");
  CHECK(weir::nearest("max", names) == "max_count");
  CHECK(weir::nearest("x", names).empty());
  CHECK(weir::nearest("", names).empty());
  CHECK(weir::edit_distance("kitten", "sitting") == 3);
  CHECK(weir::edit_distance("ab", "ba") == 1);
}

TEST_CASE("a plugin beside which its types are listed is loaded when one of them is looked for") {
  Folder folder;
  const auto file = folder.path / "good.so";
  fs::copy_file(plugin_file("good"), file);
  std::ofstream(folder.path / "good.types") << "TestFilter\nTestSink\n";
  Registry registry;
  weir::plugin::offer({{folder.path}, {}}, registry, unexpected);
  CHECK(registry.types().empty());
  CHECK(registry.nearest("testfiler") == "TestFilter");
  REQUIRE(registry.find("TestFilter") != nullptr);
  CHECK(registry.find("TestFilter")->file == file);
}

TEST_CASE("a list of types that is not true, or no list, hides no type") {
  Folder folder;
  fs::copy_file(plugin_file("good"), folder.path / "good.so");
  std::ofstream(folder.path / "good.types") << "Elsewhere\n";
  Registry stale;
  weir::plugin::offer({{folder.path}, {}}, stale, unexpected);
  CHECK(stale.find("Elsewhere") == nullptr);
  CHECK(stale.find("TestFilter") != nullptr);
  Registry another;
  weir::plugin::offer({{folder.path}, {}}, another, unexpected);
  CHECK(another.find("TestFilter") != nullptr);
  fs::remove(folder.path / "good.types");
  Registry eager;
  weir::plugin::offer({{folder.path}, {}}, eager, unexpected);
  CHECK(eager.types().contains("TestFilter"));
}

TEST_CASE("of two plugins that list one type the second is refused, and names the first") {
  Folder folder;
  fs::copy_file(plugin_file("bad_duplicate"), folder.path / "other.so");
  std::ofstream(folder.path / "other.types") << "OwnType\nTestSink\n";
  fs::copy_file(plugin_file("good"), folder.path / "good.so");
  std::ofstream(folder.path / "good.types") << "TestFilter\nTestSink\n";
  std::vector<weir::plugin::Refusal> refusals;
  Registry registry;
  weir::plugin::offer({{folder.path}, {}}, registry, [&](const auto& refusal) { refusals.push_back(refusal); });
  REQUIRE(refusals.size() == 1);
  CHECK(contains(to_string(refusals[0]), "other.so: provides the type TestSink"));
  CHECK(contains(to_string(refusals[0]), (folder.path / "good.so").string()));
  CHECK(registry.find("TestFilter") != nullptr);
  CHECK(registry.find("OwnType") == nullptr);
}
