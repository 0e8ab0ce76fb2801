/* One compound packet, parsed, taken in, and written again where it is whole. */
#include "fuzz.h"
#include "send.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rtcp rtcp;
    struct rtcp_compound compound;
    rtcp_init(&rtcp);
    const enum rtcp_fault fault = rtcp_parse(data, size, &compound);
    require(rtcp_receive(&rtcp, 1, data, size, BEGIN) == fault);
    return 0;
}
