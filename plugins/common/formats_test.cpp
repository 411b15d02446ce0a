// What FileSource reads and FileSink writes, byte by byte: compressed streams, lines, JSON structure.

#include <doctest/doctest.h>
#include <fcntl.h>

#include <filesystem>
#include <string>
#include <vector>

#include "byte_stream.h"
#include "encoder.h"
#include "json_scanner.h"
#include "line_cutter.h"
#include "test_files.h"

using namespace weir::file;

namespace {

std::string read_all(const std::string& path, std::uint64_t offset = 0, std::size_t step = 1000) {
  const auto stream = open_stream(open_file(path, O_RDONLY), path, offset, true);
  std::string all;
  std::string part(step, '\0');
  for (std::size_t n = 0; (n = stream->read(part.data(), step)) > 0;) all.append(part, 0, n);
  return all;
}

/// The elements that a scanner finds, fed in blocks of `step` bytes; ends with "!" and the reason where it is broken.
std::vector<std::string> elements(std::string_view json, std::size_t step) {
  std::vector<std::string> found;
  ArrayScanner scanner;
  std::size_t begin = 0;
  for (std::size_t block = 0; block < json.size(); block += step) {
    const auto text = json.substr(block, step);
    for (std::size_t at = 0;;) {
      const auto next = scanner.next(text, at);
      at = next.position;
      if (next.event == ArrayScanner::Event::more) break;
      if (next.event == ArrayScanner::Event::begin) begin = block + at;
      if (next.event == ArrayScanner::Event::end) found.emplace_back(json.substr(begin, block + at - begin));
      if (next.event == ArrayScanner::Event::broken) {
        found.push_back("!" + std::to_string(block + at));
        return found;
      }
    }
  }
  if (!scanner.closed()) found.push_back("!end");
  return found;
}

}  // namespace

TEST_CASE("plain, gzip and zstd files read as the same bytes, from any offset") {
  const TestDirectory dir;
  const auto text = readings(20'000);
  for (const auto& path :
       {dir.write("plain", text), dir.write("a.gz", gzipped(text)), dir.write("b", zstd_packed(text))}) {
    CAPTURE(path);
    CHECK(read_all(path) == text);
    CHECK(read_all(path, 0, 7'777'777) == text);
    CHECK(read_all(path, 12'345) == text.substr(12'345));
    CHECK(read_all(path, text.size()).empty());
  }
}

TEST_CASE("all members of a gzip file and all frames of a zstd file are read") {
  const TestDirectory dir;
  CHECK(read_all(dir.write("a.gz", gzipped("one\n") + gzipped("") + gzipped("two\n"))) == "one\ntwo\n");
  CHECK(read_all(dir.write("a.zst", zstd_packed("one\n") + zstd_packed("two\n"))) == "one\ntwo\n");
  CHECK(read_all(dir.write("padded.gz", gzipped("one\n") + std::string(512, '\0'))) == "one\n");
}

TEST_CASE("a truncated or damaged compressed file gives all bytes before the break, then says where it is") {
  const TestDirectory dir;
  const auto text = readings(50'000);
  for (const bool gzip : {true, false}) {
    CAPTURE(gzip);
    const auto packed = gzip ? gzipped(text) : zstd_packed(text);
    const auto path = dir.write("cut", packed.substr(0, packed.size() / 2));
    const auto stream = open_stream(open_file(path, O_RDONLY), path, 0, true);
    std::string got;
    std::string part(100'000, '\0');
    std::string message;
    try {
      for (std::size_t n = 0; (n = stream->read(part.data(), part.size())) > 0;) got.append(part, 0, n);
    } catch (const Broken& broken) {
      message = broken.what();
    }
    CHECK(got.size() > text.size() / 4);
    CHECK(text.compare(0, got.size(), got) == 0);
    CHECK(message.find("truncated") != std::string::npos);
    CHECK(message.find("at byte " + std::to_string(packed.size() / 2)) != std::string::npos);

    auto damaged = packed;
    damaged[packed.size() / 2] = static_cast<char>(damaged[packed.size() / 2] ^ 0x55);
    damaged[packed.size() / 2 + 1] = static_cast<char>(damaged[packed.size() / 2 + 1] ^ 0x55);
    CHECK_THROWS_AS(read_all(dir.write("damaged", damaged)), Broken);
  }
}

TEST_CASE("a compressed stream cut off at any checkpoint and ended there is a valid file, and so is what follows") {
  const TestDirectory dir;
  for (const auto compression : {Compression::gzip, Compression::zstd}) {
    const bool gzip = compression == Compression::gzip;
    CAPTURE(gzip);
    for (int cut = 0; cut < 5; ++cut) {
      std::string file;
      std::string expected;
      std::size_t length = 0;
      Member member;
      auto encoder = make_encoder(compression, 0);
      for (int epoch = 0; epoch < 5; ++epoch) {
        const auto text = readings(100, epoch * 100);
        encoder->write(text, file);
        encoder->checkpoint(file);
        if (epoch > cut) continue;
        expected += text;
        length = file.size();
        member = encoder->member();
      }
      file.resize(length);  // the crash
      file += open_end(compression, member);
      encoder = make_encoder(compression, 0);
      encoder->write("after\n", file);
      encoder->end(file);
      const auto path = dir.write(gzip ? "x.gz" : "x.zst", file);
      CHECK(output_of((gzip ? "gzip -dc " : "zstd -dcq ") + path) == expected + "after\n");
      CHECK(read_all(path) == expected + "after\n");
    }
  }
}

TEST_CASE("checkpoints ten times a second cost little of the compression") {
  for (const auto compression : {Compression::gzip, Compression::zstd}) {
    const auto packed_size = [&](int lines_between) {
      std::string file;
      const auto encoder = make_encoder(compression, 0);
      for (int line = 0; line < 20'000; line += lines_between) {
        encoder->write(readings(lines_between, line), file);
        encoder->checkpoint(file);
      }
      encoder->end(file);
      return static_cast<double>(file.size());
    };
    const auto at_once = packed_size(20'000);
    CHECK(packed_size(1000) < at_once * 1.25);
    CHECK(packed_size(100) < at_once * 2);
  }
}

TEST_CASE("a block is cut behind its last line's end") {
  CHECK(whole_lines("a\nb\nc") == 4);
  CHECK(whole_lines("a\n") == 2);
  CHECK(whole_lines("abc") == 0);
  CHECK(whole_lines("") == 0);
}

TEST_CASE("line ends are counted wherever they stand") {
  std::string text;
  for (std::uint64_t ends = 0; text.size() < 1000; text += text.size() % 3 == 0 ? "\n" : "x") {
    CHECK(count_line_ends(text) == ends);
    ends += text.size() % 3 == 0 ? 1 : 0;
  }
  CHECK(count_line_ends(std::string(300, '\n')) == 300);
}

TEST_CASE("lines are counted, and blank ones dropped on request without touching the others") {
  std::string block = "a\n\nb\r\n\r\n\nc\n d\nlast";
  auto lines = count_lines(block.data(), block.size(), false);
  CHECK(lines.count == 8);
  CHECK(lines.size == block.size());
  lines = count_lines(block.data(), block.size(), true);
  CHECK(lines.count == 5);
  CHECK(lines.seen == 8);
  CHECK(block.substr(0, lines.size) == "a\nb\r\nc\n d\nlast");
}

TEST_CASE("the elements of an array are found whatever the blocks") {
  const std::string json = " [ {\"a\":\"]}\\\"[\\\\\"} ,[1,[2]], \"x,y\" ,-1.5e3,true,null , {}\n]\n ";
  const std::vector<std::string> expected = {
      "{\"a\":\"]}\\\"[\\\\\"}", "[1,[2]]", "\"x,y\"", "-1.5e3", "true", "null", "{}"};
  for (std::size_t step = 1; step <= json.size(); ++step) {
    CAPTURE(step);
    CHECK(elements(json, step) == expected);
  }
  CHECK(elements("[]", 1).empty());
}

TEST_CASE("where an array is broken is found, after the elements before it") {
  using List = std::vector<std::string>;
  CHECK(elements("{\"a\":1}", 100) == List{"!0"});
  CHECK(elements("[1,2", 100) == List{"1", "!end"});
  CHECK(elements("[1 2]", 100) == List{"1", "!3"});
  CHECK(elements("[1,]", 100) == List{"1", "!3"});
  CHECK(elements("[,1]", 100) == List{"!1"});
  CHECK(elements("[{\"a\":1]]", 100) == List{"!7"});
  CHECK(elements("[{}}", 100) == List{"{}", "!3"});
  CHECK(elements("[1] x", 100) == List{"1", "!4"});
  CHECK(elements("[\"abc", 100) == List{"!end"});
  CHECK(elements("[" + std::string(2000, '['), 100) == List{"!" + std::to_string(1 + ArrayScanner::kDeepest)});
}

TEST_CASE("a record becomes one line by its layout alone") {
  std::string line;
  append_as_line(line, "{\n  \"a\": 80.10,\r\n\t\"b\": \"x  y\\n\"\n}");
  CHECK(line == "{\"a\": 80.10,\"b\": \"x  y\\n\"}\n");
}

TEST_CASE("the form of content is told by its lines") {
  CHECK(form_of("") == ContentForm::empty);
  CHECK(form_of(" \n") == ContentForm::empty);
  CHECK(form_of("{\"a\":1}") == ContentForm::lines);
  CHECK(form_of("{\"a\":1}\n{\"a\":2}\r\n") == ContentForm::lines);
  CHECK(form_of("{\n\"a\":1}\n") == ContentForm::object);
  CHECK(form_of("{\"a\":{}\n,\"b\":{}}\n") == ContentForm::object);
  CHECK(form_of("[{\"a\":1},\n{\"a\":2}]") == ContentForm::array);
  CHECK(form_of("[1]\n[2]\n") == ContentForm::lines);
}
