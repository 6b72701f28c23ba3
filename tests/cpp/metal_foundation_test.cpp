// tests/cpp/metal_foundation_test.cpp: ownership, strings, numbers, collections, errors and URLs of the NS::
// subset.
#include <Foundation/Foundation.hpp>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "check.h"
#include "metal_support.h"
#include "soft/metal/unicode.h"

using namespace metal_test;

namespace {

int alive = 0;

/// An object that says when it goes.
class Probe final : public NS::Referencing<Probe, NS::Object> {
 public:
  Probe() { ++alive; }
  ~Probe() override { --alive; }
};

NS::String* utf8(const char* text) {
  return NS::String::string(text, NS::UTF8StringEncoding);
}

}  // namespace

TEST_CASE(an_object_lives_until_its_last_owner_lets_go) {
  auto* const probe = new Probe;
  CHECK_EQUAL(probe->retainCount(), 1u);
  CHECK(probe->retain() == probe);
  CHECK_EQUAL(probe->retainCount(), 2u);
  probe->release();
  CHECK_EQUAL(alive, 1);
  probe->release();
  CHECK_EQUAL(alive, 0);
}

TEST_CASE(a_pool_releases_what_was_autoreleased_while_it_was_the_last) {
  auto* const outer = NS::AutoreleasePool::alloc()->init();
  (new Probe)->autorelease();
  auto* const inner = NS::AutoreleasePool::alloc()->init();
  auto* const kept = new Probe;
  kept->retain()->autorelease();
  (new Probe)->autorelease();
  CHECK_EQUAL(alive, 3);
  inner->release();
  CHECK_EQUAL(alive, 2);
  CHECK_EQUAL(kept->retainCount(), 1u);
  outer->drain();
  CHECK_EQUAL(alive, 1);
  kept->release();
  CHECK_EQUAL(alive, 0);
}

TEST_CASE(releasing_a_pool_releases_forgotten_pools_within_it) {
  auto* const outer = NS::AutoreleasePool::alloc()->init();
  NS::AutoreleasePool::alloc()->init();
  (new Probe)->autorelease();
  outer->release();
  CHECK_EQUAL(alive, 0);
}

TEST_CASE(threads_have_pools_of_their_own_and_empty_them_at_their_end) {
  static std::atomic<int> gone;
  class Counted final : public NS::Referencing<Counted, NS::Object> {
   public:
    ~Counted() override { ++gone; }
  };
  gone = 0;
  auto* const pool = NS::AutoreleasePool::alloc()->init();
  std::thread([] { (new Counted)->autorelease(); }).join();  // without a pool
  CHECK_EQUAL(gone.load(), 1);
  (new Counted)->autorelease();
  CHECK_EQUAL(gone.load(), 1);
  pool->release();
  CHECK_EQUAL(gone.load(), 2);
}

TEST_CASE(a_pool_of_another_thread_cannot_be_released) {
  const Failures failures;
  auto* const pool = NS::AutoreleasePool::alloc()->init();
  std::thread([&] { pool->retain()->release(); }).join();
  CHECK(failures.none());
  std::thread([&] { pool->release(); }).join();
  CHECK(failures.have("AutoreleasePool::release: the pool belongs to another thread"));
  pool->retain();  // undoes the count that the failed release took
  pool->release();
  CHECK_EQUAL(failures.count(), 1u);
}

TEST_CASE(shared_pointers_own_one_reference) {
  {
    NS::SharedPtr<Probe> first = NS::TransferPtr(new Probe);
    CHECK_EQUAL(first->retainCount(), 1u);
    NS::SharedPtr<Probe> second = first;
    CHECK_EQUAL(first->retainCount(), 2u);
    CHECK(first == second);
    NS::SharedPtr<NS::Object> base = std::move(second);
    CHECK(!second && base.get() == first.get());
    CHECK_EQUAL(first->retainCount(), 2u);
    const NS::SharedPtr<Probe>& same = first;
    first = same;
    CHECK_EQUAL(first->retainCount(), 2u);
    base.reset();
    CHECK_EQUAL(first->retainCount(), 1u);
    NS::SharedPtr<Probe> third = NS::RetainPtr(first.get());
    third.detach();
    CHECK_EQUAL(first->retainCount(), 2u);
    first->release();
    NS::SharedPtr<Probe> empty(nullptr);
    empty = first;
    first = nullptr;
    CHECK_EQUAL(empty->retainCount(), 1u);
    CHECK_EQUAL(alive, 1);
  }
  CHECK_EQUAL(alive, 0);
}

TEST_CASE(strings_follow_the_ownership_rules) {
  const Pool pool;
  NS::String* const owned = NS::String::alloc()->init("text", NS::ASCIIStringEncoding);
  CHECK_EQUAL(owned->retainCount(), 1u);
  NS::String* const copy = owned->copy();
  CHECK(copy == owned);  // immutable: one more owner
  CHECK_EQUAL(owned->retainCount(), 2u);
  copy->release();
  owned->release();
  CHECK_EQUAL(utf8("pool")->retainCount(), 1u);
  CHECK(MTLSTR("one") == MTLSTR("one"));
  MTLSTR("one")->release();
  CHECK_EQUAL(std::string(MTLSTR("one")->utf8String()), "one");
}

TEST_CASE(strings_count_in_utf16) {
  const Pool pool;
  NS::String* const text = utf8("a\u00e9\u20ac\U0001F600");
  CHECK_EQUAL(text->length(), 5u);
  CHECK_EQUAL(text->character(1), 0xE9);
  CHECK_EQUAL(text->character(2), 0x20AC);
  CHECK_EQUAL(text->character(3), 0xD83D);
  CHECK_EQUAL(text->character(4), 0xDE00);
  CHECK_EQUAL(text->lengthOfBytes(NS::UTF8StringEncoding), 10u);
  CHECK(text->cString(NS::ASCIIStringEncoding) == nullptr);
  CHECK(NS::String::string("\xC3\xA9", NS::ASCIIStringEncoding) == nullptr);
  CHECK(NS::String::string("\xC3", NS::UTF8StringEncoding) == nullptr);
  const Failures failures;
  CHECK_EQUAL(text->character(5), 0);
  CHECK(failures.have("String::character: index is 5; the string has 5"));
}

TEST_CASE(only_well_formed_utf8_is_text) {
  using isometal::soft::is_utf8;
  for (const char* good : {"", "plain", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF",
                           "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    CHECK(is_utf8(good));
  }
  for (const char* bad : {"\x80", "\xC1\xBF", "\xC3", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
                          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE2\x82", "\xE2\x28\xA1", "\xFF"}) {
    CHECK(!is_utf8(bad));
  }
}

TEST_CASE(strings_compare_search_and_join) {
  const Pool pool;
  NS::String* const text = utf8("Hello, hello");
  CHECK(text->isEqualToString(utf8("Hello, hello")) && text->isEqual(utf8("Hello, hello")));
  CHECK(!text->isEqualToString(utf8("hello")) && !text->isEqual(NS::Number::number(1)));
  CHECK_EQUAL(text->hash(), utf8("Hello, hello")->hash());
  CHECK(text->rangeOfString(utf8("hello"), NS::LiteralSearch).Equal(NS::Range(7, 5)));
  CHECK(text->rangeOfString(utf8("hello"), NS::CaseInsensitiveSearch).Equal(NS::Range(0, 5)));
  CHECK(text->rangeOfString(utf8("l"), NS::BackwardsSearch).Equal(NS::Range(10, 1)));
  CHECK(text->rangeOfString(utf8("Hello"), NS::AnchoredSearch).Equal(NS::Range(0, 5)));
  CHECK_EQUAL(text->rangeOfString(utf8("ello"), NS::AnchoredSearch).location,
              static_cast<NS::UInteger>(NS::NotFound));
  CHECK_EQUAL(text->rangeOfString(utf8("x"), NS::LiteralSearch).length, 0u);
  CHECK_EQUAL(text->caseInsensitiveCompare(utf8("hello, HELLO")), NS::OrderedSame);
  CHECK_EQUAL(utf8("a")->caseInsensitiveCompare(utf8("B")), NS::OrderedAscending);
  CHECK_EQUAL(std::string(utf8("ab")->stringByAppendingString(utf8("cd"))->utf8String()), "abcd");
}

TEST_CASE(a_string_may_take_over_bytes) {
  const Pool pool;
  auto* const bytes = static_cast<char*>(std::malloc(3));
  std::memcpy(bytes, "xyz", 3);
  NS::String* const text = NS::String::alloc()->init(bytes, 3, NS::UTF8StringEncoding, true);
  CHECK_EQUAL(std::string(text->utf8String()), "xyz");
  text->release();
}

TEST_CASE(numbers_convert_and_compare) {
  const Pool pool;
  CHECK_EQUAL(NS::Number::number(-3)->longLongValue(), -3);
  CHECK_EQUAL(NS::Number::number(-1)->unsignedIntValue(), 0xFFFFFFFFu);
  CHECK_EQUAL(NS::Number::number(1e30)->intValue(), 2147483647);
  CHECK_EQUAL(NS::Number::number(2.75f)->intValue(), 2);
  CHECK_EQUAL(NS::Number::number(true)->boolValue(), true);
  CHECK_EQUAL(std::string(NS::Number::number(2.5)->stringValue()->utf8String()), "2.5");
  CHECK_EQUAL(NS::Number::number(18446744073709551615ull)->compare(NS::Number::number(-1)),
              NS::OrderedDescending);
  CHECK(NS::Number::number(1)->isEqual(NS::Number::number(1.0)));
  CHECK_EQUAL(NS::Number::number(1)->hash(), NS::Number::number(1.0)->hash());
  int target = 0;
  CHECK(NS::Value::value(&target)->pointerValue() == &target);
  CHECK(NS::Value::value(&target)->isEqualToValue(NS::Value::value(&target)));
}

TEST_CASE(arrays_keep_their_objects) {
  {
    const Pool pool;
    const NS::Object* objects[] = {(new Probe)->autorelease(), utf8("b")};
    NS::Array* const array = NS::Array::array(objects, 2);
    CHECK_EQUAL(array->count(), 2u);
    CHECK(array->object<NS::String>(1)->isEqualToString(utf8("b")));
    CHECK_EQUAL(array->object(0)->retainCount(), 2u);
    auto* const walk = array->objectEnumerator();
    CHECK(walk->nextObject() == objects[0]);
    CHECK_EQUAL(walk->allObjects()->count(), 1u);
    CHECK(walk->nextObject() == nullptr);
    CHECK(array->isEqual(NS::Array::array(objects, 2)) && !array->isEqual(NS::Array::array()));
    const Failures failures;
    CHECK(array->object(2) == nullptr);
    CHECK(failures.have("Array::object: index is 2; the array has 2"));
    const NS::Object* none[] = {nullptr};
    CHECK(NS::Array::array(none, 1) == nullptr);
    CHECK(failures.have("object 0 is null"));
    CHECK_EQUAL(alive, 1);
  }
  CHECK_EQUAL(alive, 0);
}

TEST_CASE(dictionaries_find_equal_keys) {
  const Pool pool;
  const NS::Object* values[] = {utf8("1"), utf8("2"), utf8("3")};
  const NS::Object* keys[] = {utf8("a"), utf8("b"), utf8("a")};
  NS::Dictionary* const dictionary = NS::Dictionary::dictionary(values, keys, 3);
  CHECK_EQUAL(dictionary->count(), 2u);
  CHECK(dictionary->object(utf8("a")) == values[2]);
  CHECK(dictionary->object(utf8("c")) == nullptr);
  auto* const walk = dictionary->keyEnumerator<NS::String>();
  CHECK_EQUAL(std::string(walk->nextObject()->utf8String()), "a");
  CHECK_EQUAL(std::string(walk->nextObject()->utf8String()), "b");
  CHECK(walk->nextObject() == nullptr);
  CHECK_EQUAL(std::string(dictionary->description()->utf8String()), "{a = 3, b = 2}");
}

TEST_CASE(errors_describe_themselves) {
  const Pool pool;
  NS::Error* const plain = NS::Error::error(NS::CocoaErrorDomain, 4, nullptr);
  CHECK_EQUAL(plain->code(), 4);
  CHECK(plain->domain()->isEqualToString(utf8("NSCocoaErrorDomain")));
  CHECK(std::string(plain->localizedDescription()->utf8String()).find("NSCocoaErrorDomain error 4") !=
        std::string::npos);
  NS::Error* const told = NS::Error::error(
      NS::CocoaErrorDomain, 4, NS::Dictionary::dictionary(utf8("why"), NS::LocalizedDescriptionKey));
  CHECK_EQUAL(std::string(told->localizedDescription()->utf8String()), "why");
  CHECK(told->localizedFailureReason() == nullptr);
}

TEST_CASE(urls_name_files) {
  const Pool pool;
  NS::URL* const url = NS::URL::fileURLWithPath(utf8("/a b/c\u00e9"));
  CHECK_EQUAL(std::string(url->fileSystemRepresentation()), "/a b/c\u00e9");
  CHECK_EQUAL(std::string(url->description()->utf8String()), "file:///a%20b/c%C3%A9");
  NS::URL* const same = NS::URL::alloc()->init(url->description());
  CHECK(same->isEqual(url));
  CHECK_EQUAL(std::string(same->fileSystemRepresentation()), "/a b/c\u00e9");
  same->release();
  NS::URL* const web = NS::URL::alloc()->init(utf8("https://example.org/x"));
  CHECK(web->fileSystemRepresentation() == nullptr);
  web->release();
}
