// The lab page asks again every few seconds, but not under the hands of somebody who fills in one of its forms.

const busy = () => document.querySelector("#lab details[open], #lab :is(input, select):focus");

document.body.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.id === "lab" && busy()) event.preventDefault();
});
