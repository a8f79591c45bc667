// SPDX-License-Identifier: BSD-3-Clause
// Files of the source tree inside the program: the page's template, style and script, and the
// schemas of results. CMake writes the definitions (scripts/cmake/EmbedFiles.cmake).
#ifndef FENCEPOST_HARNESS_REPORT_PAGE_EMBEDDED_FILES_H_
#define FENCEPOST_HARNESS_REPORT_PAGE_EMBEDDED_FILES_H_

#include <string_view>

namespace fencepost::page {

// The whole file, by its last name: "page.css", "bench.schema.json".
// REQUIRES: it is listed in harness/CMakeLists.txt.
std::string_view EmbeddedFile(std::string_view name);
// Its SHA-256 in Base64, as a Content-Security-Policy writes it after "sha256-".
std::string_view EmbeddedSha256(std::string_view name);

}  // namespace fencepost::page

#endif  // FENCEPOST_HARNESS_REPORT_PAGE_EMBEDDED_FILES_H_
