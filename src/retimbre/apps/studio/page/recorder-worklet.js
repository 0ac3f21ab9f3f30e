// Hands the samples of the microphone on, block by block.

registerProcessor("recorder", class extends AudioWorkletProcessor {
  process([channels]) {
    if (channels.length) this.port.postMessage(channels[0].slice());
    return true;
  }
});
