/* SPDX-License-Identifier: MIT
 * byte_writer and byte_reader: each undoes the other, and the reader never passes the end. */
#include "store/codec/byte_reader.h"

#include "store/codec/byte_writer.h"
#include "tests/support/check.h"
#include "tests/support/fault_memory.h"

static const uint64_t numbers[] = {
    0, 1, 127, 128, 255, 16383, 16384, UINT32_MAX, 1ull << 56, 1ull << 62, 1ull << 63, UINT64_MAX};
enum { NUMBER_COUNT = sizeof numbers / sizeof numbers[0] };

static void integers_are_little_endian(void) {
  struct tk_byte_writer writer = {0};
  tk_byte_writer_append_u8(&writer, 0x01);
  tk_byte_writer_append_u64(&writer, 0x0908070605040302);
  CHECK(!writer.failed && writer.size == 9);
  for (size_t i = 0; i < writer.size; i++) CHECK(writer.data[i] == i + 1);

  struct tk_byte_reader reader;
  tk_byte_reader_init(&reader, writer.data, writer.size);
  CHECK(tk_byte_reader_u8(&reader) == 0x01);
  CHECK(tk_byte_reader_u64(&reader) == 0x0908070605040302);
  CHECK(tk_byte_reader_finished(&reader));
  tk_byte_writer_reset(&writer);
}

static void varints_come_back(void) {
  struct tk_byte_writer writer = {0};
  struct tk_byte_reader reader;
  for (int i = 0; i < NUMBER_COUNT; i++) {
    tk_byte_writer_append_varint(&writer, numbers[i]);
    tk_byte_writer_append_zigzag(&writer, (int64_t)numbers[i]);
    tk_byte_writer_append_zigzag(&writer, -(int64_t)(numbers[i] >> 1));
  }
  CHECK(!writer.failed);
  tk_byte_reader_init(&reader, writer.data, writer.size);
  for (int i = 0; i < NUMBER_COUNT; i++) {
    CHECK(tk_byte_reader_varint(&reader) == numbers[i]);
    CHECK(tk_byte_reader_zigzag(&reader) == (int64_t)numbers[i]);
    CHECK(tk_byte_reader_zigzag(&reader) == -(int64_t)(numbers[i] >> 1));
  }
  CHECK(tk_byte_reader_finished(&reader));
  tk_byte_writer_reset(&writer);
}

static int refuses_varint(const uint8_t *bytes, size_t size) {
  struct tk_byte_reader reader;
  tk_byte_reader_init(&reader, bytes, size);
  return tk_byte_reader_varint(&reader) == 0 && reader.failed;
}

static void malformed_varints_are_refused(void) {
  static const uint8_t endless[11] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
                                      0x80, 0x80, 0x80, 0x80, 0x01};
  static const uint8_t too_large[10] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02};
  static const uint8_t padded[2] = {0x81, 0x00};
  CHECK(refuses_varint(endless, sizeof endless));
  CHECK(refuses_varint(endless, 3));
  CHECK(refuses_varint(endless, 0));
  CHECK(refuses_varint(too_large, sizeof too_large));
  CHECK(refuses_varint(padded, sizeof padded));
}

static void a_failed_reader_stays_failed(void) {
  static const uint8_t bytes[3] = {1, 2, 3};
  struct tk_byte_reader reader;
  tk_byte_reader_init(&reader, bytes, sizeof bytes);
  CHECK(tk_byte_reader_u64(&reader) == 0 && reader.failed);
  CHECK(tk_byte_reader_u8(&reader) == 0 && tk_byte_reader_bytes(&reader, 0) == NULL);
  CHECK(tk_byte_reader_remaining(&reader) == 0 && !tk_byte_reader_finished(&reader));
}

static void limits_hold(void) {
  static const uint8_t bytes[4] = {5, 1, 2, 3};
  struct tk_byte_reader reader;
  tk_byte_reader_init(&reader, bytes, sizeof bytes);
  CHECK(tk_byte_reader_varint_max(&reader, 5) == 5);
  CHECK(tk_byte_reader_varint_max(&reader, 0) == 0 && reader.failed);
}

static void a_writer_without_memory_fails_and_stays_failed(void) {
  struct tk_byte_writer writer = {0};
  fault_memory_fail_at(1);
  tk_byte_writer_append_u8(&writer, 1);
  CHECK(writer.failed && fault_memory_hits() == 1);
  fault_memory_fail_at(0);
  tk_byte_writer_append_u8(&writer, 1);
  CHECK(writer.failed && writer.size == 0 && tk_byte_writer_reserve(&writer, 1) == NULL);
  tk_byte_writer_reset(&writer);
  uint8_t *room = tk_byte_writer_reserve(&writer, 2);
  CHECK(room != NULL && writer.size == 0);
  tk_byte_writer_claim(&writer, 2);
  CHECK(writer.size == 2);
  tk_byte_writer_reset(&writer);
}

int main(void) {
  static const struct check_case cases[] = {
      CASE(integers_are_little_endian),
      CASE(varints_come_back),
      CASE(malformed_varints_are_refused),
      CASE(a_failed_reader_stays_failed),
      CASE(limits_hold),
      CASE(a_writer_without_memory_fails_and_stays_failed),
  };
  fault_memory_install();
  return check_run(cases, (int)(sizeof cases / sizeof cases[0]));
}
