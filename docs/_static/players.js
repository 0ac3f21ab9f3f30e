// One player at a time; a line on the picture where it is, and a click on the picture goes there.
for (const figure of document.querySelectorAll(".situation figure")) {
  const audio = figure.querySelector("audio"), picture = figure.querySelector(".picture");
  const line = picture.appendChild(document.createElement("span"));
  line.className = "playhead";
  line.hidden = true;
  const draw = () => {
    line.hidden = !audio.currentTime;
    line.style.left = `${100 * audio.currentTime / (audio.duration || 1)}%`;
    if (!audio.paused) requestAnimationFrame(draw);
  };
  audio.addEventListener("play", () => {
    for (const other of document.querySelectorAll(".situation audio")) if (other !== audio) other.pause();
    draw();
  });
  audio.addEventListener("seeked", draw);
  picture.addEventListener("click", (event) => {
    const part = event.offsetX / picture.clientWidth;
    const start = () => { audio.currentTime = part * audio.duration; audio.play(); };
    if (audio.readyState) start();
    else { audio.addEventListener("loadedmetadata", start, { once: true }); audio.load(); }
  });
}
