// The three few-shot prompts of Self-Instruct. Their marks and structure are the published ones; the tasks in them are our own, as is
// every sentence that carries no mark.

/// The prompt that asks whether a task is classification.
public func classificationPrompt(_ instruction: String) -> String {
  let shown = classificationExamples.map { "Task: \($0.task)\nIs it classification? \($0.isClassification ? "Yes" : "No")" }
  return "Is the task below a classification task, whose output is one of few labels?\n\n" + shown.joined(separator: "\n\n")
    + "\n\nTask: \(stripped(instruction))\nIs it classification?"
}

/// The prompt for instances of a task: inputs first.
public func inputFirstPrompt(_ instruction: String) -> String {
  "Give examples for each of these tasks, several where that makes sense. Where a task needs no input, write the output alone.\n\n"
    + inputFirstExamples + "\n\nTask: \(stripped(instruction))\n"
}

/// The prompt for instances of a classification task: labels first, so that not one label gets all the inputs.
public func outputFirstPrompt(_ instruction: String) -> String {
  "For each classification task, write an input for every class label. Where a task needs no input, write the possible labels alone.\n\n"
    + outputFirstExamples + "\n\nTask: \(stripped(instruction))\n"
}

/// Tasks shown with their kind: 12 of classification, 19 not.
let classificationExamples: [(task: String, isClassification: Bool)] = [
  ("Say whether the customer's letter is a complaint or a thank-you note.", true),
  ("Invent a nickname for a very slow tortoise.", false),
  ("Does the second sentence follow from the first? Answer yes, no or unclear.", true),
  ("Describe how bread dough changes while it rises.", false),
  ("Turn the recipe into one for eight people.", false),
  ("Which season does the poem speak of: spring, summer, autumn or winter?", true),
  ("List five questions to ask before renting a flat.", false),
  ("Shorten the paragraph to one sentence.", false),
  ("Decide if the given number is prime.", true),
  ("Write a toast for a colleague who retires.", false),
  ("Put the words into alphabetical order.", false),
  ("Given a headline, choose its section: politics, sport, business or culture.", true),
  ("Explain to a child why the Moon has phases.", false),
  ("Translate the sentence into Italian.", false),
  ("Rate how formal the message is: formal, neutral or casual.", true),
  ("Suggest a walk of two hours near a lake.", false),
  ("Name the capital cities of the countries below.", false),
  ("Is the animal a mammal, a bird, a fish or a reptile?", true),
  ("Correct the spelling of the text.", false),
  ("Compare tea and coffee in three points.", false),
  ("Tell if the review recommends the film.", true),
  ("Continue the story for another paragraph.", false),
  ("Compute the area of a circle from its radius.", false),
  ("Say which of the two answers is more polite.", true),
  ("Plan the meals of a vegetarian for one day.", false),
  ("Write a haiku about a traffic light.", false),
  ("Does the e-mail ask for a meeting? Yes or no.", true),
  ("What could have caused the engine to stall?", false),
  ("Sort the feedback into praise, request or fault report.", true),
  ("Give a synonym for each adjective.", false),
  ("Pick the language of the sentence: German, Dutch or Danish.", true),
]

private let inputFirstExamples = """
  Task: Name three exercises that strengthen the back and need no equipment.
  Output:
  - Superman: lie on the stomach and lift arms and legs.
  - Bird dog: on all fours, stretch one arm and the opposite leg.
  - Bridge: lie on the back, bend the knees and lift the hips.

  Task: Find all the colours that the text mentions and separate them by commas.
  Example 1
  Text: The green door of the old mill was framed by red roses, and a grey cat slept on the step.
  Output: green, red, grey

  Task: Convert a distance from miles to kilometres.
  Example 1
  Distance: 10 miles
  Output: 10 miles are about 16.1 kilometres.
  Example 2
  Distance: 26.2 miles
  Output: 26.2 miles are about 42.2 kilometres.

  Task: Reverse the order of the items.
  Example 1
  Items: [4, 8, 15, 16]
  Output: [16, 15, 8, 4]
  Example 2
  Items: [north, east, south]
  Output: [south, east, north]

  Task: Propose a better wording of the sentence.
  Example 1
  Sentence: He made a decision to go and do the buying of a ticket.
  Output: He decided to buy a ticket.
  Example 2
  Sentence: The reason why we are late is because of the fact that it snowed.
  Output: We are late because it snowed.

  Task: Write a short notice that the lift is out of order.
  Output: Dear neighbours, the lift is out of order until Thursday. Please use the stairs. We are sorry for the inconvenience.

  Task: Answer the question from the paragraph.
  Example 1
  Paragraph: The lighthouse was built in 1871. Its lamp burned oil until 1923, when electricity reached the island.
  Question: When did the lamp become electric?
  Output: In 1923, when electricity reached the island.

  Task: Which proverb fits the situation?
  Example 1
  Situation: Two cooks both salted the soup, and nobody could eat it.
  Output: Too many cooks spoil the broth.

  Task: Explain what a library card is good for.
  Output: With a library card you may borrow books, films and games for some weeks, use the reading rooms, and order titles from other libraries.

  Task: Write a dialogue between two people about the topic.
  Example 1
  Topic: a lost umbrella
  Output: A: Have you seen my umbrella? B: The blue one? You lent it to Mara. A: And where is Mara? B: Out in the sun, I am afraid.
  """

private let outputFirstExamples = """
  Task: Tell whether the review of a hotel is positive, negative or mixed.
  Class label: mixed
  Review: The room was lovely, but the street was loud all night.
  Class label: positive
  Review: Spotless, quiet, and the breakfast alone is worth the stay.
  Class label: negative
  Review: We waited an hour for a key and found the bed unmade.

  Task: Is the given year a leap year? Answer yes or no.
  Class label: yes
  Year: 1996
  Class label: no
  Year: 1900

  Task: Does the person sound tired, angry or cheerful?
  Class label: angry
  Message: This is the third time you cancel on the day itself. I have had enough.
  Class label: cheerful
  Message: Guess who got the job! Cake for everybody tonight!
  Class label: tired
  Message: Let us talk tomorrow, my eyes are closing.

  Task: Choose the topic of the sentence from health, money and travel.
  Class label: money
  Sentence: The bank raised its interest on savings by half a point.
  Class label: travel
  Sentence: From the harbour a ferry takes you to the islands in forty minutes.
  Class label: health
  Sentence: A short walk after dinner helps digestion.

  Task: Name a mood that music can have.
  Class label: melancholy
  Class label: playful
  Class label: solemn

  Task: Decide which sentence is grammatical: the first or the second.
  Class label: first
  Sentence 1: The children have eaten their soup.
  Sentence 2: The children has ate their soup.
  Class label: second
  Sentence 1: Neither of the doors are lock.
  Sentence 2: Neither of the doors is locked.
  """
