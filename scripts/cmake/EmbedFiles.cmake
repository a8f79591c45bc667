# SPDX-License-Identifier: BSD-3-Clause
# Writes a C++ source that holds files as they are: `std::string_view EmbeddedFile(name)`, and the
# SHA-256 of each in Base64, as a Content-Security-Policy names a script.
#
#   cmake "-DFILES=a;b" -DOUTPUT=... -P EmbedFiles.cmake
#
# A name is the file's last part. No file may hold the end of the raw string, `)embedded"`.

set(ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")

# Sets OUT to the Base64 form of 64 hexadecimal digits.
function(base64_of_sha256 HEX OUT)
  set(padded "${HEX}00")
  set(text "")
  foreach(start RANGE 0 60 6)
    string(SUBSTRING "${padded}" ${start} 6 digits)
    math(EXPR number "0x${digits}")
    foreach(shift 18 12 6 0)
      math(EXPR index "(${number} >> ${shift}) & 63")
      string(SUBSTRING "${ALPHABET}" ${index} 1 letter)
      string(APPEND text "${letter}")
    endforeach()
  endforeach()
  # 32 bytes are ten groups of three and two more: the last letter stands for padding.
  string(SUBSTRING "${text}" 0 43 text)
  set(${OUT} "${text}=" PARENT_SCOPE)
endfunction()

set(rows "")
foreach(file IN LISTS FILES)
  file(READ "${file}" contents)
  file(SHA256 "${file}" hex)
  base64_of_sha256("${hex}" hash)
  get_filename_component(name "${file}" NAME)
  string(FIND "${contents}" ")embedded\"" end)
  if(NOT end EQUAL -1)
    message(FATAL_ERROR "${file}: holds the end of the raw string")
  endif()
  string(APPEND rows "    {\"${name}\", \"${hash}\", R\"embedded(${contents})embedded\"},\n")
endforeach()

file(WRITE "${OUTPUT}" "// Written by scripts/cmake/EmbedFiles.cmake.
#include \"harness/report/page/embedded_files.h\"

#include \"engines/status.h\"

namespace fencepost::page {
namespace {

struct File {
  std::string_view name;
  std::string_view sha256;
  std::string_view contents;
};

constexpr File kFiles[] = {
${rows}};

const File& Find(std::string_view name) {
  for (const File& file : kFiles) {
    if (file.name == name) return file;
  }
  CHECK(!\"no such embedded file\");
}

}  // namespace

std::string_view EmbeddedFile(std::string_view name) { return Find(name).contents; }
std::string_view EmbeddedSha256(std::string_view name) { return Find(name).sha256; }

}  // namespace fencepost::page
")
