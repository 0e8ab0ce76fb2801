/* One datagram: RTP header and, where it parses, the payload as a telephone-event and as audio. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rtp_packet packet;
    struct telephone_event event;
    int16_t samples[256];
    if (rtp_parse(data, size, &packet) != RTP_OK)
        return 0;
    require(packet.payload >= data + RTP_HEADER && packet.payload + packet.length <= data + size);
    (void)telephone_event_parse(packet.payload, packet.length, &event);
    for (enum codec codec = CODEC_PCMU; codec <= CODEC_L16; codec++)
        require(codec_decode(codec, packet.payload, packet.length, samples, 256) <= 256);
    return 0;
}
