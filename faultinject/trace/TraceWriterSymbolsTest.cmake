# SPDX-License-Identifier: BSD-3-Clause
# cmake -DNM=nm -DOBJECTS=trace_writer.c.o -P TraceWriterSymbolsTest.cmake
#
# Fails if the object needs a symbol from outside, but for what a compiler emits on its own.
list(LENGTH OBJECTS count)
if(NOT count EQUAL 1)
  message(FATAL_ERROR "one object file expected: '${OBJECTS}'")
endif()

# Two columns, "U name"; a defined symbol has three and shows that this is the right file.
execute_process(COMMAND "${NM}" "${OBJECTS}" OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
if(NOT symbols MATCHES " T fpt_store\n")
  message(FATAL_ERROR "${OBJECTS} does not define fpt_store:\n${symbols}")
endif()
string(REGEX MATCHALL "[Uvw] [^\n]+" needed "${symbols}")
list(FILTER needed EXCLUDE REGEX "^U (memcpy|memset|memmove)$")
if(needed)
  message(FATAL_ERROR "${OBJECTS} needs: ${needed}")
endif()
